import { useSyncExternalStore } from 'react'
import { ago, at } from '@/format'
import { t } from '@/text'

// One clock for all times on the page.
let now = Date.now()
const watchers = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

function watch(fn: () => void) {
  watchers.add(fn)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const w of watchers) w()
  }, 15_000)
  return () => {
    watchers.delete(fn)
    if (watchers.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** Time is how long ago something was; the exact time shows on pointing at it. */
export function Time({ value }: { value?: string }) {
  useSyncExternalStore(watch, () => now)
  if (!value) return <>{t.none}</>
  return (
    <time dateTime={value} title={at(value)}>
      {ago(value)}
    </time>
  )
}
