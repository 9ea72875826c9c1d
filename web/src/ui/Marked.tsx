import { Fragment } from 'react'

/** Range is from the first character (a code point) to before the last. */
export type Range = readonly number[] | null

/** pieces cuts a text where the ranges, which are in order, begin and end; what is marked is in them. */
export function pieces(text: string, ranges: readonly Range[]): { at: number; text: string; marked: boolean }[] {
  const chars = Array.from(text)
  const out: { at: number; text: string; marked: boolean }[] = []
  let end = 0
  const upTo = (to: number, marked: boolean) => {
    if (to > end) out.push({ at: end, text: chars.slice(end, to).join(''), marked })
    end = Math.max(end, to)
  }
  for (const range of ranges) {
    const [from = 0, to = 0] = range ?? []
    upTo(from, false)
    upTo(to, true)
  }
  upTo(chars.length, false)
  return out
}

// A few characters before the first mark are enough to see what it stands in.
const before = 20

/**
 * Marked is a text with marks where a search found its words. Where there is room for
 * the beginning of a text only, short leaves out what comes long before the first mark.
 */
export function Marked({ text, at, short }: { text: string; at?: readonly Range[] | null; short?: boolean }) {
  const parts = pieces(text, at ?? [])
  const first = parts[0]
  if (short && parts.length > 1 && first && !first.marked) {
    const chars = Array.from(first.text)
    if (chars.length > before) first.text = `…${chars.slice(-before).join('')}`
  }
  return (
    <bdi>
      {parts.map((p) => (p.marked ? <mark key={p.at}>{p.text}</mark> : <Fragment key={p.at}>{p.text}</Fragment>))}
    </bdi>
  )
}
