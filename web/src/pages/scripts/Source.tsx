import { type Line, linesOf } from './diff'

const isComment = (text: string) => /^\s*#/.test(text)

/** Source shows a script with the numbers of its lines. */
export function Source({ text, label }: { text: string; label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className="atoll-source" tabIndex={0} aria-label={label}>
      {linesOf(text).map((l, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line has nothing else
        <div key={i} data-n={i + 1} className={isComment(l) ? 'atoll-comment' : undefined}>
          {l}
        </div>
      ))}
    </section>
  )
}

const looks = { '+': 'atoll-added', '-': 'atoll-removed', ' ': undefined }

/** Difference shows which lines were added and removed, by sign and colour. */
export function Difference({ lines, label }: { lines: Line[]; label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className="atoll-source" tabIndex={0} aria-label={label}>
      {lines.map((l) => (
        <div key={l.key} className={looks[l.sign]}>
          {l.sign} {l.text}
        </div>
      ))}
    </section>
  )
}
