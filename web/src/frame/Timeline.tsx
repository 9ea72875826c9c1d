import { Button } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { lasted } from '@/format'
import { listQuery } from '@/lists'
import { pathOf, paths } from '@/paths'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { isLive } from './TaskDrawer'

type Row = { key: string; at: string; event?: Schemas['Event']; operation?: Schemas['Operation'] }

/**
 * Timeline is what happened to an object, newest first: its events, and the operations on it.
 * filter is the condition that both lists know, such as subject=ID or cloudspace=ID.
 */
export function Timeline({ filter, first = 50 }: { filter: string; first?: number }) {
  const [limit, setLimit] = useState(first)
  const events = useQuery(listQuery('/api/v1/events', { limit, sort: '-seq', filter: [filter] }))
  const operations = useQuery(listQuery('/api/v1/operations', { limit, sort: '-created_at', filter: [filter] }))
  const error = events.error ?? operations.error
  if (error) return <ErrorView error={error} />
  if (!events.data || !operations.data) return <p>{t.loading}</p>
  const rows: Row[] = [
    // Operations tell of their starts and ends themselves.
    ...events.data.items
      .filter((e) => e.class !== 'operation')
      .map((event) => ({ key: event.id, at: event.at, event })),
    ...operations.data.items.map((operation) => ({ key: operation.id, at: operation.created_at ?? '', operation })),
  ].sort((a, b) => b.at.localeCompare(a.at))
  // Both lists end at a time of their own: only what is later than both ends is complete.
  const more = Boolean(events.data.next || operations.data.next)
  if (rows.length === 0) return <Empty title={t.timeline.empty}>{t.timeline.emptyBody}</Empty>
  return (
    <>
      <ol className="atoll-timeline">
        {rows.slice(0, limit).map((r) => (
          <li key={r.key}>
            <span className="atoll-small">
              <Time value={r.at} />
            </span>
            {r.event && <EventRow e={r.event} />}
            {r.operation && <OperationRow o={r.operation} />}
          </li>
        ))}
      </ol>
      {(more || rows.length > limit) && limit < 1000 && (
        <Button variant="link" onClick={() => setLimit(Math.min(1000, limit * 4))}>
          {t.timeline.more}
        </Button>
      )}
    </>
  )
}

function EventRow({ e }: { e: Schemas['Event'] }) {
  const to = pathOf(e.subject_kind, e.subject_id)
  return (
    <div className="atoll-text">
      <strong>{t.timeline.action(e.action)}</strong> {e.outcome !== 'ok' && <StateLabel state={e.outcome} />}{' '}
      {to ? <Link to={to}>{e.subject_name}</Link> : ''}
      <div className="atoll-small">
        {e.actor_name && t.timeline.by(e.actor_name)} {e.message}
      </div>
    </div>
  )
}

function OperationRow({ o }: { o: Schemas['Operation'] }) {
  return (
    <div className="atoll-text">
      <Link to={paths.operation(o.id)}>{t.tasks.name(o.kind)}</Link> <StateLabel state={o.state} />{' '}
      <bdi>{o.subject_name}</bdi>
      <div className="atoll-small">
        {isLive(o) ? o.message : t.timeline.took(lasted(o.created_at ?? '', o.finished_at))} {o.error}
      </div>
    </div>
  )
}
