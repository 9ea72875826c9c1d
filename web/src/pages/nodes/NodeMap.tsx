import { Button, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { type MouseEvent, memo, useDeferredValue, useMemo, useState } from 'react'
import { type NavigateFunction, useNavigate } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { resourceName } from '@/pages/usage/resources'
import { paths } from '@/paths'
import { language, t } from '@/text'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { capacityQuery, type Measure, measures, shareOf } from './node'

const x = t.nodes

// sim-9 before sim-10.
const natural = new Intl.Collator(language, { numeric: true })

// All nodes, a thousand at a time.
const allNodes = {
  queryKey: ['get', '/api/v1/nodes', { params: { query: 'map' } }],
  queryFn: async ({ pageParam, signal }: { pageParam: string; signal: AbortSignal }) => {
    const query = { limit: 1000, sort: 'name', cursor: pageParam || undefined }
    const { data } = await client.GET('/api/v1/nodes', { params: { query }, signal })
    return data ?? { items: [], next: '' }
  },
  initialPageParam: '',
  getNextPageParam: (last: { next: string }) => last.next || undefined,
}

/** NodeMap shows each node as a cell: how full it is by its colour and number, what keeps work from it by a sign. */
export function NodeMap() {
  const nodes = useInfiniteQuery(allNodes)
  const capacity = useQuery(capacityQuery)
  const navigate = useNavigate()
  const [measure, setMeasure] = useState<Measure>('memory_mib')
  const pages = useDeferredValue(nodes.data?.pages)
  const all = useMemo(() => pages?.flatMap((p) => p.items).sort((a, b) => natural.compare(a.name, b.name)), [pages])
  const error = nodes.error ?? (capacity.error as Error | null)
  if (error) return <ErrorView error={error} />
  if (!all || !capacity.data) return <p>{t.loading}</p>
  if (all.length === 0) return <Empty title={t.list.empty}>{x.addHow}</Empty>
  const placed = new Map(capacity.data.items.filter((q) => q.resource === measure).map((q) => [q.scope_id, q]))
  return (
    <>
      <div className="atoll-map-tools">
        <ToggleGroup aria-label={x.measure}>
          {measures.map((m) => (
            <ToggleGroupItem key={m} text={resourceName(m)} isSelected={m === measure} onChange={() => setMeasure(m)} />
          ))}
        </ToggleGroup>
        <Legend />
      </div>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: a key on a link is a click */}
      <ul className="atoll-map" aria-label={x.counts(all.length)} onClick={(e) => follow(e, navigate)}>
        {all.map((n) => (
          <Cell key={n.id} node={n} q={placed.get(n.id)} />
        ))}
      </ul>
      {nodes.hasNextPage && (
        <Button variant="link" isLoading={nodes.isFetchingNextPage} onClick={() => nodes.fetchNextPage()}>
          {x.more}
        </Button>
      )}
    </>
  )
}

// The router's own links cost as much as all else in a cell: one listener does for
// thousands. What opens in another tab is the browser's.
function follow(e: MouseEvent, navigate: NavigateFunction) {
  const to = (e.target as Element).closest('a')?.pathname
  if (!to || e.button !== 0 || e.ctrlKey || e.metaKey || e.shiftKey || e.altKey) return
  e.preventDefault()
  navigate(to)
}

const levelOf = (share: number) => Math.min(Math.floor(share / 20), 4)

// Of thousands only those that changed are drawn again.
const Cell = memo(({ node: n, q }: { node: Schemas['Node']; q?: Schemas['Quota'] }) => {
  const trouble = n.state !== 'online' ? n.state : n.cordoned ? 'cordoned' : ''
  const share = q && shareOf(q)
  const about = [
    n.name,
    share === undefined ? x.unknown : x.placed(share),
    t.state[n.state],
    n.cordoned && t.state.cordoned,
  ]
    .filter(Boolean)
    .join(', ')
  return (
    <li>
      <a
        href={paths.node(n.id)}
        title={about}
        aria-label={about}
        data-level={share === undefined ? undefined : levelOf(share)}
        data-full={share !== undefined && share >= 90 ? '' : undefined}
        data-trouble={trouble || undefined}
      >
        <bdi className="atoll-map-name">{n.name}</bdi>
        <span>
          {trouble ? `${x.signs[trouble]} ` : ''}
          {share === undefined ? t.none : x.placed(share)}
        </span>
      </a>
    </li>
  )
})

function Legend() {
  return (
    <ul className="atoll-legend" aria-label={x.legend}>
      {x.levels.map((label, i) => (
        <li key={label}>
          <span className="atoll-swatch" data-level={i} /> {label}
        </li>
      ))}
      {Object.entries(x.signs).map(([state, sign]) => (
        <li key={state}>
          <strong>{sign}</strong> {t.state[state]}
        </li>
      ))}
    </ul>
  )
}
