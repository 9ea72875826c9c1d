import { useEffect, useState } from 'react'

/**
 * useOpening is false at first and true at once after that: PatternFly places what opens only if it was there,
 * closed, before. For what is made when it opens, as there are many on a page.
 */
export function useOpening(): boolean {
  const [open, setOpen] = useState(false)
  useEffect(() => setOpen(true), [])
  return open
}
