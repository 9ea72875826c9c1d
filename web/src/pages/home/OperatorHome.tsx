import { Alert, Card, CardBody, CardTitle } from '@patternfly/react-core'
import { useQueries, useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { type ListPath, listQuery } from '@/lists'
import { CapacityBar } from '@/pages/nodes/Capacity'
import { capacityQuery, totals } from '@/pages/nodes/node'
import { pathOf, paths } from '@/paths'
import { seesNodes, useMe } from '@/session'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'

const x = t.home

/** OperatorHome shows how the cloud is: what is free, what runs, what went wrong. */
export default function OperatorHome() {
  const nodes = seesNodes(useMe())
  return (
    <>
      {nodes && <Leftovers />}
      <div className="atoll-grid">
        {nodes && (
          <>
            <Capacity />
            <Nodes />
          </>
        )}
        <Counts nodes={nodes} />
        <Operations title={x.running} state="running" none={x.noneRunning} />
        <Operations title={x.failed} state="failed" none={x.noneFailed} />
        <Events />
      </div>
    </>
  )
}

function Tile({
  title,
  to,
  error,
  children,
}: {
  title: string
  to?: string
  error?: Error | null
  children: ReactNode
}) {
  return (
    <Card isCompact component="section" aria-label={title}>
      <CardTitle component="h2">{to ? <Link to={to}>{title}</Link> : title}</CardTitle>
      <CardBody>{error ? <ErrorView error={error} /> : children}</CardBody>
    </Card>
  )
}

function Capacity() {
  const capacity = useQuery(capacityQuery)
  return (
    <Tile title={x.capacity} to={`${paths.nodes}?view=map`} error={capacity.error as Error | null}>
      {capacity.data?.items.length === 0 && (
        <Empty title={x.firstNode} actions={<Link to={paths.joinTokens}>{t.nodes.add}</Link>}>
          {x.firstNodeBody}
        </Empty>
      )}
      {capacity.data && capacity.data.items.length > 0 && (
        <div className="atoll-stack">
          {totals(capacity.data.items).map((q) => (
            <CapacityBar key={q.resource} q={q} />
          ))}
        </div>
      )}
    </Tile>
  )
}

// How many there are, as far as one page of a list tells.
const countOf = (path: ListPath, limit = 100) => listQuery(path, { limit })
const shown = (a?: { items: unknown[]; next: string }) =>
  a ? (a.next ? x.more(a.items.length) : String(a.items.length)) : '…'

function Nodes() {
  const states = ['online', 'offline', 'joining'] as const
  const all = useQuery(countOf('/api/v1/nodes', 1000))
  const nodes = all.data?.items ?? []
  const rows = states
    .map((state) => ({ state, n: nodes.filter((n) => (n as { state: string }).state === state).length }))
    .filter((r) => r.n > 0 || r.state === 'online')
  const cordoned = nodes.filter((n) => (n as { cordoned: boolean }).cordoned).length
  return (
    <Tile title={`${x.nodes}: ${shown(all.data)}`} to={paths.nodes} error={all.error}>
      <ul className="atoll-plain">
        {rows.map((r) => (
          <li key={r.state} className="atoll-row">
            <Link to={`${paths.nodes}?state=${r.state}`}>
              <StateLabel state={r.state} />
            </Link>
            <span className="atoll-numeric">{r.n}</span>
          </li>
        ))}
        {cordoned > 0 && (
          <li className="atoll-row">
            <StateLabel state="cordoned" />
            <span className="atoll-numeric">{cordoned}</span>
          </li>
        )}
      </ul>
    </Tile>
  )
}

function Counts({ nodes }: { nodes: boolean }) {
  const kinds: { label: string; path: ListPath; to: string }[] = [
    { label: t.accounts.title, path: '/api/v1/accounts', to: paths.accounts },
    ...(nodes
      ? ([
          { label: t.cloudspaces.title, path: '/api/v1/cloudspaces', to: paths.cloudspaces },
          { label: t.machines.title, path: '/api/v1/machines', to: paths.machines },
          { label: t.deployments.title, path: '/api/v1/deployments', to: paths.deployments },
          { label: t.users.title, path: '/api/v1/users', to: paths.users },
        ] as const)
      : []),
  ]
  const answers = useQueries({ queries: kinds.map((k) => countOf(k.path)) })
  return (
    <Tile title={x.counts}>
      <ul className="atoll-plain">
        {kinds.map((k, i) => (
          <li key={k.path} className="atoll-row">
            <Link to={k.to}>{k.label}</Link>
            <span className="atoll-numeric">{shown(answers[i]?.data)}</span>
          </li>
        ))}
      </ul>
    </Tile>
  )
}

function Operations({ title, state, none }: { title: string; state: string; none: string }) {
  const list = useQuery(listQuery('/api/v1/operations', { limit: 6, sort: '-created_at', filter: [`state=${state}`] }))
  return (
    <Tile title={title} to={`${paths.operations}?state=${state}`} error={list.error}>
      {list.data?.items.length === 0 && <p>{none}</p>}
      <ul className="atoll-plain">
        {list.data?.items.map((o) => (
          <li key={o.id}>
            <div className="atoll-row">
              <Link to={paths.operation(o.id)}>
                <bdi>{t.tasks.name(o.kind, o.subject_name)}</bdi>
              </Link>
              <span className="atoll-small">{o.finished_at ? <Time value={o.finished_at} /> : `${o.progress} %`}</span>
            </div>
            {o.error && <div className="atoll-small atoll-clamp">{o.error}</div>}
          </li>
        ))}
      </ul>
    </Tile>
  )
}

function Events() {
  const list = useQuery(listQuery('/api/v1/events', { limit: 8, sort: '-seq' }))
  return (
    <Tile title={x.events} to={paths.events} error={list.error}>
      <ul className="atoll-plain">
        {list.data?.items.map((e) => {
          const to = pathOf(e.subject_kind, e.subject_id)
          return (
            <li key={e.id} className="atoll-row">
              <span>
                <bdi>{e.actor_name}</bdi> {t.timeline.action(e.action)}{' '}
                <bdi>{to ? <Link to={to}>{e.subject_name}</Link> : e.subject_name}</bdi>
              </span>
              <span className="atoll-small">
                <Time value={e.at} />
              </span>
            </li>
          )
        })}
      </ul>
    </Tile>
  )
}

function Leftovers() {
  const n = useQuery(listQuery('/api/v1/leftovers', { limit: 100 })).data?.items.length ?? 0
  if (n === 0) return null
  return (
    <Alert
      className="atoll-live"
      variant="warning"
      isInline
      title={x.leftovers(n)}
      actionLinks={<Link to={paths.leftovers}>{t.leftovers.title}</Link>}
    />
  )
}
