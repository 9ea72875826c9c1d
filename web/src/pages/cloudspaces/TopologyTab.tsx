import { ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { Link, useSearchParams } from 'react-router'
import type { Schemas } from '@/api/client'
import { listQuery } from '@/lists'
import { useName } from '@/names'
import { paths } from '@/paths'
import { isStaff, useMe } from '@/session'
import { t } from '@/text'
import { type Column, DataTable } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { StateLabel } from '@/ui/StateLabel'
import { useCloudspace } from './cloudspace'
import { machinesOf } from './MachineStates'
import { gatewayOf } from './OverviewTab'
import { box, type Layout, layout, shown } from './topology'

const x = t.topology

/** TopologyTab shows how the machines of a cloudspace are connected, as a picture or as a table. */
export function Component() {
  const c = useCloudspace()
  const [params, setParams] = useSearchParams()
  const machines = useQuery(machinesOf(c.id))
  const forwards = useQuery(listQuery('/api/v1/port-forwards', { limit: 1000, filter: [`cloudspace=${c.id}`] }))
  const error = machines.error ?? forwards.error
  if (error) return <ErrorView error={error} />
  if (!machines.data || !forwards.data) return <p>{t.loading}</p>
  if (machines.data.items.length === 0) return <Empty title={x.empty}>{x.emptyBody}</Empty>
  const table = params.get('view') === 'table'
  const show = (view: string) => setParams(view ? { view } : {}, { replace: true })
  return (
    <>
      <ToggleGroup aria-label={t.cloudspaces.view} className="atoll-live">
        <ToggleGroupItem text={x.picture} isSelected={!table} onChange={() => show('')} />
        <ToggleGroupItem text={x.table} isSelected={table} onChange={() => show('table')} />
      </ToggleGroup>
      {table ? (
        <TopologyTable machines={machines.data.items} forwards={forwards.data.items} />
      ) : (
        <>
          {machines.data.items.length > shown && <p className="atoll-small">{x.firstOf(shown)}</p>}
          <Picture c={c} l={layout(machines.data.items, forwards.data.items)} />
        </>
      )}
    </>
  )
}

type TableProps = { machines: Schemas['Machine'][]; forwards: Schemas['PortForward'][] }

function TopologyTable({ machines, forwards }: TableProps) {
  const of = Map.groupBy(forwards, (f) => f.machine_id)
  const columns: Column<Schemas['Machine']>[] = [
    { label: t.machines.name, cell: (m) => <Link to={paths.machine(m.id)}>{m.name}</Link> },
    { label: t.machines.state, cell: (m) => <StateLabel state={m.state} reason={m.reason} /> },
    { label: t.machines.address, cell: (m) => <code>{m.address}</code> },
    {
      label: x.reachable,
      cell: (m) =>
        (of.get(m.id) ?? []).map((f) => `${f.public_port}/${f.protocol} → ${f.port}`).join(', ') || x.nothing,
    },
  ]
  return <DataTable label={x.title} columns={columns} rows={machines} rowKey={(m) => m.id} />
}

const clip = (text: string, n: number) => (text.length > n ? `${text.slice(0, n - 1)}…` : text)

function Picture({ c, l }: { c: Schemas['Cloudspace']; l: Layout }) {
  const staff = isStaff(useMe())
  const node = useName('node', staff ? c.node_id : undefined)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section className="atoll-topology" aria-label={x.label(l.spots.length, l.wires.length)} tabIndex={0}>
      <svg width={l.width} height={l.height} viewBox={`0 0 ${l.width} ${l.height}`} role="presentation">
        <title>{x.title}</title>
        <rect className="atoll-net" x={l.left} y={14} width={l.width - l.left - 8} height={l.height - 22} rx={14} />
        <text className="atoll-quiet" x={l.left + 24} y={36}>
          {x.network(c.network)}
        </text>
        <g>
          <rect className="atoll-box" x={8} y={54} width={96} height={46} rx={23} />
          <text x={56} y={82} textAnchor="middle">
            {x.internet}
          </text>
          <path className="atoll-wire" d="M 104 77 L 160 77" />
        </g>
        <rect className="atoll-box" x={160} y={54} width={l.left - 150} height={l.gatewayHeight} rx={8} />
        <text x={176} y={78}>
          {x.gateway}
        </text>
        <text className="atoll-quiet" x={176} y={96}>
          {clip([gatewayOf(c.network), node].filter(Boolean).join(', '), 24)}
        </text>
        {l.wires.map((w) => (
          <g key={w.forward.id}>
            <path className="atoll-wire" d={w.path} data-state={w.forward.state} />
            <rect className="atoll-port" x={176} y={w.y - 12} width={l.left - 186} height={24} rx={12} />
            <text className="atoll-quiet" x={(176 + l.left - 10) / 2} y={w.y + 4} textAnchor="middle">
              {`${w.forward.public_port}/${w.forward.protocol} → ${w.forward.port}`}
            </text>
          </g>
        ))}
        {l.spots.map(({ machine: m, x: left, y }) => (
          <Link
            key={m.id}
            to={paths.machine(m.id)}
            aria-label={x.machine(m.name, t.state[m.state] ?? m.state, m.address)}
          >
            <title>{m.reason || m.name}</title>
            <rect className="atoll-box" x={left} y={y} width={box.width} height={box.height} rx={6} />
            <circle className="atoll-dot" data-state={m.state} cx={left + 16} cy={y + 16} r={5} />
            <text x={left + 28} y={y + 20}>
              {clip(m.name, 18)}
            </text>
            <text className="atoll-quiet" x={left + 28} y={y + 37}>
              {`${m.address} ${m.state === 'running' ? '' : (t.state[m.state] ?? m.state).toLowerCase()}`}
            </text>
          </Link>
        ))}
      </svg>
    </section>
  )
}
