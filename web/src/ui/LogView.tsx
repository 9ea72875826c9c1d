import { Button, Flex, FlexItem, Switch } from '@patternfly/react-core'
import { memo, useDeferredValue, useLayoutEffect, useRef, useState } from 'react'
import { at } from '@/format'
import { t } from '@/text'
import { ErrorView } from './ErrorView'

/** LogText is one line of an output and its number; level 5 is a plain line, 7 a warning, 8 and 9 are errors, and 10 and above no text for people. */
type LogText = { n: number; at: string; level: number; text: string; attempt?: number; stream?: 'stderr' }

type Props = {
  lines: LogText[]
  /** how many lines before these are not shown */
  dropped?: number
  /** whether more may come */
  live: boolean
  error?: Error
  onRetry?: () => void
  /** gives all of it as a file */
  onDownload?: () => void
  label: string
}

/** LogView shows the output of something that runs, or ran: the newest lines in sight while it is followed. */
export function LogView({ lines: newest, dropped, live, error, onRetry, onDownload, label }: Props) {
  const [follow, setFollow] = useState(true)
  const box = useRef<HTMLDivElement>(null)
  const lines = useDeferredValue(newest) // thousands are drawn in pieces
  const shown = lines.filter((l) => l.level < 10)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line moves the view
  useLayoutEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [lines, follow])
  // Scrolling up stops the following, scrolling to the end goes on with it.
  const onScroll = () => {
    const b = box.current
    if (b) setFollow(b.scrollHeight - b.scrollTop - b.clientHeight < 24)
  }
  return (
    <section aria-label={label}>
      <Flex
        justifyContent={{ default: 'justifyContentSpaceBetween' }}
        alignItems={{ default: 'alignItemsCenter' }}
        className="atoll-log-tools"
      >
        <FlexItem className="atoll-small" role="status">
          {live ? t.log.live : t.log.ended(shown.length + (dropped ?? 0))}
        </FlexItem>
        <Flex alignItems={{ default: 'alignItemsCenter' }}>
          {live && <Switch label={t.log.follow} isChecked={follow} onChange={(_, on) => setFollow(on)} isReversed />}
          {onDownload && (
            <Button variant="link" isInline onClick={onDownload}>
              {t.log.download}
            </Button>
          )}
        </Flex>
      </Flex>
      {error && <ErrorView error={error} retry={onRetry} />}
      <div
        className="atoll-log"
        ref={box}
        onScroll={onScroll}
        onPointerOver={tellTime}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        tabIndex={0}
        role="log"
        aria-label={label}
        aria-live="off"
      >
        {Boolean(dropped) && <div className="atoll-small">{t.log.dropped(dropped ?? 0)}</div>}
        {blocksOf(shown).map((b) => (
          <Block key={blockOf(b[0])} lines={b} />
        ))}
        {shown.length === 0 && !error && <div className="atoll-small">{live ? t.log.waiting : t.log.nothing}</div>}
      </div>
    </section>
  )
}

// Lines are drawn by the hundred: of a flood of them only the newest block and the oldest
// are drawn again, and the browser leaves out those that are not in sight.
const blockOf = (l?: LogText) => Math.floor((l?.n ?? 0) / 100)

function blocksOf(lines: LogText[]): LogText[][] {
  const blocks: LogText[][] = []
  for (const l of lines) {
    const last = blocks.at(-1)
    if (last && blockOf(last[0]) === blockOf(l)) last.push(l)
    else blocks.push([l])
  }
  return blocks
}

// Lines do not change; some may come at the end and go at the beginning.
const Block = memo(
  ({ lines }: { lines: LogText[] }) => (
    <div className="atoll-log-block" style={{ containIntrinsicBlockSize: `auto ${lines.length * 1.5}em` }}>
      {lines.map((l) => (
        <div key={l.n} className={look(l)} data-at={l.at} data-stream={l.stream}>
          {l.stream && <span className="pf-v6-screen-reader">{t.log.stderr} </span>}
          {l.text || ' '}
        </div>
      ))}
    </div>
  ),
  (a, b) => a.lines[0] === b.lines[0] && a.lines.length === b.lines.length,
)

// When a line came, and on which stream, shows on pointing at it: nobody asks it of each
// of thousands.
function tellTime({ target }: { target: EventTarget }) {
  const line = target as HTMLElement
  const { at: time, stream } = line.dataset
  if (time) line.title ||= stream ? t.log.stderrAt(at(time)) : at(time)
}

function look({ level, stream }: LogText): string | undefined {
  if (level >= 8) return 'atoll-log-error'
  if (level === 7) return 'atoll-log-warning'
  return stream && 'atoll-log-stderr'
}
