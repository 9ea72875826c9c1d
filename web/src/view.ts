// Whether somebody looks at a kind’s objects as cards or as a list, kept for the next visit.
import { useSyncExternalStore } from 'react'

export type View = 'cards' | 'list'

const key = (page: string) => `atoll.view.${page}`
const watchers = new Set<() => void>()

const watch = (fn: () => void) => {
  watchers.add(fn)
  return () => watchers.delete(fn)
}

/** useView is how a page shows its objects, and how to change it; cards unless somebody chose. */
export function useView(page: string): [View, (v: View) => void] {
  const view = useSyncExternalStore(watch, () => (localStorage.getItem(key(page)) === 'list' ? 'list' : 'cards'))
  const set = (v: View) => {
    localStorage.setItem(key(page), v)
    for (const fn of watchers) fn()
  }
  return [view, set]
}
