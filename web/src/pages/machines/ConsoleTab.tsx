import { lazy } from 'react'
import { LineTab } from './LineTab'

// xterm.js is large: only who opens a console loads it.
const Terminal = lazy(() => import('./Terminal'))

/** ConsoleTab is a machine's serial console. */
export function Component() {
  return <LineTab line={Terminal} />
}
