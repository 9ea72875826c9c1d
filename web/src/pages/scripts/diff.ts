// The difference of two texts, line by line.

/** Line is one line of a difference: what was added to or removed from the older text, or is in both. */
export type Line = { sign: '+' | '-' | ' '; text: string; key: number }

/** linesOf is a text's lines; a last line end begins no further one. */
export const linesOf = (text: string) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

/** diff is the shortest way from one text to the other. */
export function diff(from: string, to: string): Line[] {
  const [a, b] = [linesOf(from), linesOf(to)]
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const lines: Omit<Line, 'key'>[] = [
    ...a.slice(0, start).map((text) => ({ sign: ' ' as const, text })),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map((text) => ({ sign: ' ' as const, text })),
  ]
  return lines.map((l, key) => ({ ...l, key }))
}

// The longest common subsequence, by a table of the lengths of what is left.
function middle(a: string[], b: string[]): Omit<Line, 'key'>[] {
  const width = b.length + 1
  const left = new Uint32Array((a.length + 1) * width)
  const at = (i: number, j: number) => left[i * width + j] ?? 0
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      left[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const out: Omit<Line, 'key'>[] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      out.push({ sign: ' ', text: a[i++] ?? '' })
      j++
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1)))
      out.push({ sign: '-', text: a[i++] ?? '' })
    else out.push({ sign: '+', text: b[j++] ?? '' })
  }
  return out
}
