import { type ReactNode, useState } from 'react'
import { Link } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { mebibytes } from '@/format'
import { type ListOptions, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { roleOn, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { machineActions } from './actions'

type Machine = Schemas['Machine']

export const options = { search: 'name', filters: ['state'], scope: 'cloudspace', sort: 'name' } satisfies ListOptions

const columns: Column<Machine>[] = [
  { label: t.machines.name, sort: 'name', cell: (m) => <Link to={paths.machine(m.id)}>{m.name}</Link> },
  { label: t.machines.state, sort: 'state', cell: (m) => <StateLabel state={m.state} reason={m.reason} /> },
  { label: t.machines.address, cell: (m) => <code>{m.address}</code> },
  { label: t.machines.vcpus, numeric: true, wide: true, cell: (m) => m.vcpus },
  { label: t.machines.memory, numeric: true, wide: true, cell: (m) => mebibytes(m.memory_mib) },
  { label: t.machines.created, sort: 'created_at', wide: true, cell: (m) => <Time value={m.created_at} /> },
]

/** Machines lists machines: those of the chosen account and cloudspace, or of the given cloudspace. */
export function Machines({ cloudspace, create }: { cloudspace?: Schemas['Cloudspace']; create?: ReactNode }) {
  const me = useMe()
  const list = useList(
    '/api/v1/machines',
    cloudspace ? { ...options, scope: undefined, always: [`cloudspace=${cloudspace.id}`] } : options,
  )
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const [deleting, setDeleting] = useState<Machine>()
  return (
    <>
      <ListView
        label={t.machines.title}
        list={list}
        columns={columns}
        rowKey={(m) => m.id}
        search={{ value: q, onChange: setQ, by: t.machines.name }}
        tools={
          <FilterSelect
            label={t.machines.state}
            value={list.filter('state')}
            options={['running', 'stopped', 'failed', 'creating', 'starting', 'stopping', 'deleting']}
            onChange={(v) => list.setFilter('state', v)}
          />
        }
        empty={
          <Empty title={t.list.empty} actions={create}>
            {t.machines.about}
          </Empty>
        }
        actions={(m) => (
          <Menu
            name={t.actionsOf(m.name)}
            actions={machineActions(m, roleOn(me, { ...m, machine_id: m.id }), setDeleting)}
          />
        )}
      />
      {deleting && (
        <ConfirmDelete
          kind={t.machines.one}
          name={deleting.name}
          onClose={() => setDeleting(undefined)}
          onConfirm={() => client.DELETE('/api/v1/machines/{machine}', { params: { path: { machine: deleting.id } } })}
        >
          {t.machines.deleting}
        </ConfirmDelete>
      )}
    </>
  )
}
