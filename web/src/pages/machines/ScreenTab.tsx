import { lazy } from 'react'
import { LineTab } from './LineTab'

// noVNC is large: only who opens a screen loads it.
const Screen = lazy(() => import('./Screen'))

/** ScreenTab is what a machine shows on its screen. */
export function Component() {
  return <LineTab line={Screen} />
}
