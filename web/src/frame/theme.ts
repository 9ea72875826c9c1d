// Light or dark: as the system says until somebody chooses.
import { useSyncExternalStore } from 'react'

const key = 'atoll.theme'
const system = matchMedia('(prefers-color-scheme: dark)')
const watchers = new Set<() => void>()

const isDark = () => (localStorage.getItem(key) ?? (system.matches ? 'dark' : 'light')) === 'dark'

function apply() {
  document.documentElement.classList.toggle('pf-v6-theme-dark', isDark())
  for (const fn of watchers) fn()
}

/** startTheme shows the chosen theme, and follows the system. */
export function startTheme() {
  system.addEventListener('change', apply)
  apply()
}

/** setDark chooses. */
export function setDark(dark: boolean) {
  localStorage.setItem(key, dark ? 'dark' : 'light')
  apply()
}

/** useDark reports whether it is dark. */
export const useDark = () =>
  useSyncExternalStore((fn) => {
    watchers.add(fn)
    return () => watchers.delete(fn)
  }, isDark)
