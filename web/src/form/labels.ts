// Labels, written as people write them: one KEY=VALUE on each line.

/** textOf is labels as people write them. */
export const textOf = (labels: Record<string, string> | undefined) =>
  Object.entries(labels ?? {})
    .map(([k, v]) => `${k}=${v}`)
    .join('\n')

/** labelsOf reads what people wrote; undefined if it is none. */
export function labelsOf(text: string): Record<string, string> | undefined {
  const lines = text.split('\n').map((l) => l.trim())
  const pairs = lines.filter(Boolean).map((l) => /^([^=]+)=(.*)$/.exec(l))
  if (pairs.some((p) => !p)) return undefined
  return Object.fromEntries(pairs.map((p) => [p?.[1]?.trim() ?? '', p?.[2]?.trim() ?? '']))
}
