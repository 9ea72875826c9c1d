// Those of a node's tabs that show what other pages show too, of this node.
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { mebibytes } from '@/format'
import { Timeline } from '@/frame/Timeline'
import { useDebounced, useList } from '@/lists'
import { Named } from '@/names'
import { Jobs } from '@/pages/jobs/Jobs'
import { paths } from '@/paths'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { StateLabel } from '@/ui/StateLabel'
import { useNode } from './node'

const columns: Column<Schemas['Machine']>[] = [
  {
    label: t.machines.name,
    sort: 'name',
    cell: (m) => (
      <Link to={paths.machine(m.id)}>
        <bdi>{m.name}</bdi>
      </Link>
    ),
  },
  { label: t.machines.state, sort: 'state', cell: (m) => <StateLabel state={m.state} reason={m.reason} /> },
  { label: t.machines.account, wide: true, cell: (m) => <Named kind="account" id={m.account_id} /> },
  { label: t.machines.vcpus, numeric: true, wide: true, cell: (m) => m.vcpus },
  { label: t.machines.memory, numeric: true, wide: true, cell: (m) => mebibytes(m.memory_mib) },
]

/** MachinesTab are the machines that are placed on the node, of all accounts. */
export function MachinesTab() {
  const n = useNode()
  const list = useList('/api/v1/machines', { always: [`node=${n.id}`], search: 'name', sort: 'name' })
  const [q, setQ] = useDebounced(list.q, list.setQ)
  return (
    <ListView
      label={t.machines.title}
      list={list}
      columns={columns}
      rowKey={(m) => m.id}
      search={{ value: q, onChange: setQ, by: t.machines.name }}
      empty={<Empty title={t.nodes.noMachines} />}
    />
  )
}

export const JobsTab = () => <Jobs always={[`node=${useNode().id}`]} />

export const TimelineTab = () => <Timeline filter={`subject=${useNode().id}`} />
