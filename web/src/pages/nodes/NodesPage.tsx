import { Button, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { mebibytes } from '@/format'
import { listLoader, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { NodeMap } from './NodeMap'
import { NodeState } from './NodeState'
import { rolesOf } from './node'

type Node = Schemas['Node']

const x = t.nodes
const options = { search: 'name', filters: ['state', 'role', 'location'], sort: 'name', limit: 50 } as const

export const loader = listLoader('/api/v1/nodes', options)

const columns: Column<Node>[] = [
  {
    label: x.name,
    sort: 'name',
    cell: (n) => (
      <Link to={paths.node(n.id)}>
        <bdi>{n.name}</bdi>
      </Link>
    ),
  },
  { label: x.state, cell: (n) => <NodeState node={n} /> },
  { label: x.roles, wide: true, cell: (n) => rolesOf(n.roles) },
  { label: x.cpus, numeric: true, wide: true, cell: (n) => n.facts.cpus },
  { label: x.memory, numeric: true, wide: true, cell: (n) => n.facts.memory_mib && mebibytes(n.facts.memory_mib) },
  { label: x.version, wide: true, cell: (n) => n.agent_version },
  { label: x.seen, cell: (n) => <Time value={n.last_seen_at} /> },
]

/** NodesPage shows all servers: as a list, or as a map of what they hold. */
export function Component() {
  const operator = isOperator(useMe())
  const list = useList('/api/v1/nodes', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const map = list.filter('view') === 'map'
  return (
    <Page
      title={x.title}
      actions={
        <div className="atoll-buttons">
          <ToggleGroup aria-label={x.view}>
            <ToggleGroupItem text={x.list} isSelected={!map} onChange={() => list.setFilter('view', '')} />
            <ToggleGroupItem text={x.map} isSelected={map} onChange={() => list.setFilter('view', 'map')} />
          </ToggleGroup>
          {operator && <Button component={(p) => <Link {...p} to={paths.joinTokens} />}>{x.add}</Button>}
        </div>
      }
    >
      {map ? (
        <NodeMap />
      ) : (
        <ListView
          label={x.title}
          list={list}
          columns={columns}
          rowKey={(n) => n.id}
          search={{ value: q, onChange: setQ, by: x.name }}
          tools={
            <>
              <FilterSelect
                label={x.state}
                value={list.filter('state')}
                options={['online', 'offline', 'joining']}
                onChange={(v) => list.setFilter('state', v)}
              />
              <FilterSelect
                label={x.roles}
                value={list.filter('role')}
                options={Object.entries(x.role).map(([value, label]) => ({ value, label }))}
                onChange={(v) => list.setFilter('role', v)}
              />
            </>
          }
          empty={<Empty title={t.list.empty}>{x.addHow}</Empty>}
        />
      )}
    </Page>
  )
}
