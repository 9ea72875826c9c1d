import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { type ListOptions, useList } from '@/lists'
import { Named } from '@/names'
import { canWriteSomewhere, roleOn, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { StateLabel } from '@/ui/StateLabel'
import { Connect } from './connect'
import { PortForwardCreate } from './PortForwardCreate'

type PortForward = Schemas['PortForward']

type Props = {
  /** only those of one machine, or of one cloudspace; else those of the chosen scope */
  machine?: Schemas['Machine']
  cloudspace?: Schemas['Cloudspace']
}

export const options = { filters: ['state', 'protocol'], scope: 'cloudspace' } satisfies ListOptions

const x = t.portForwards

/** PortForwards lists the ways from outside to machines, and makes and deletes them. */
export function PortForwards({ machine, cloudspace }: Props) {
  const me = useMe()
  const inside = machine ? [`machine=${machine.id}`] : cloudspace && [`cloudspace=${cloudspace.id}`]
  const list = useList('/api/v1/port-forwards', inside ? { ...options, scope: undefined, always: inside } : options)
  const [creating, setCreating] = useState(false)
  const [deleting, setDeleting] = useState<PortForward>()
  const scope = machine
    ? { ...machine, machine_id: machine.id }
    : cloudspace && { ...cloudspace, cloudspace_id: cloudspace.id }
  const role = scope && roleOn(me, scope)
  const may = scope ? role === 'writer' || role === 'admin' : canWriteSomewhere(me)
  const create = (
    <Button isAriaDisabled={!may} onClick={() => setCreating(true)}>
      {x.create}
    </Button>
  )
  const columns: Column<PortForward>[] = [
    { label: x.publicPort, cell: (f) => `${f.public_port}/${f.protocol}` },
    ...(machine ? [] : [{ label: x.machine, cell: (f: PortForward) => <Named kind="machine" id={f.machine_id} /> }]),
    { label: x.port, cell: (f) => f.port },
    { label: x.state, cell: (f) => <StateLabel state={f.state} reason={f.reason} /> },
    { label: x.connect, cell: (f) => <Connect forward={f} /> },
    ...(inside
      ? []
      : [
          {
            label: x.cloudspace,
            wide: true,
            cell: (f: PortForward) => <Named kind="cloudspace" id={f.cloudspace_id} />,
          },
        ]),
  ]
  const words = (f: PortForward) => `${f.public_port}/${f.protocol}`
  return (
    <>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(f) => f.id}
        tools={
          <>
            <FilterSelect
              label={x.state}
              value={list.filter('state')}
              options={['active', 'creating', 'deleting', 'failed']}
              onChange={(v) => list.setFilter('state', v)}
            />
            <FilterSelect
              label={x.protocol}
              value={list.filter('protocol')}
              options={[
                { value: 'tcp', label: 'TCP' },
                { value: 'udp', label: 'UDP' },
              ]}
              onChange={(v) => list.setFilter('protocol', v)}
            />
            {create}
          </>
        }
        empty={
          <Empty title={t.list.empty} actions={create}>
            {x.about}
          </Empty>
        }
        actions={(f) => {
          const own = roleOn(me, { ...f, machine_id: f.machine_id })
          const blocked = own === 'writer' || own === 'admin' ? undefined : t.machines.onlyWriters
          return (
            <Menu
              name={t.actionsOf(words(f))}
              actions={[{ label: t.delete, danger: true, blocked, onClick: () => setDeleting(f) }]}
            />
          )
        }}
      />
      {creating && <PortForwardCreate machine={machine} cloudspace={cloudspace} onClose={() => setCreating(false)} />}
      {deleting && (
        <ConfirmDelete
          kind={x.one}
          name={words(deleting)}
          onClose={() => setDeleting(undefined)}
          onConfirm={() =>
            client.DELETE('/api/v1/port-forwards/{port_forward}', { params: { path: { port_forward: deleting.id } } })
          }
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </>
  )
}
