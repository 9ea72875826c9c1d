// What is typed into a form outlives an expired session: signing in again comes
// back to the same page, and the form takes its draft. Secrets are never kept.
const key = (path: string) => `atoll.draft:${path}`

const open = new Map<string, () => unknown>()

/** watchDraft says how to read the form that is open at a path, until the answered function is called. */
export function watchDraft(path: string, values: () => unknown): () => void {
  open.set(path, values)
  return () => open.delete(path)
}

/** keepDrafts stores what is typed into all open forms: the page is about to go. */
export function keepDrafts() {
  for (const [path, values] of open) sessionStorage.setItem(key(path), JSON.stringify(values()))
}

/** readDraft is what was typed at a path before the session ended. */
export function readDraft<T>(path: string): Partial<T> | undefined {
  const text = sessionStorage.getItem(key(path))
  return text ? JSON.parse(text) : undefined
}

/** dropDraft forgets it: a form has taken it. Not while rendering, which React may do again. */
export const dropDraft = (path: string) => sessionStorage.removeItem(key(path))
