import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, Outlet } from 'react-router'
import { ApiError, client } from '@/api/client'
import { LiveOperation } from '@/frame/LiveOperation'
import { TabNav } from '@/frame/TabNav'
import { part, paths } from '@/paths'
import { roleOn, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { machineActions } from './actions'
import { MachineEdit } from './MachineEdit'
import { MachineResize } from './MachineResize'
import { loadMachine, useMachineQuery } from './machine'

export const loader = loadMachine

const x = t.machines

/** MachinePage is a machine's head: its state, what can be done with it, and the ways to its parts. */
export function Component() {
  const { data: m, error } = useMachineQuery()
  const role = roleOn(useMe(), { ...m, machine_id: m.id })
  const [open, setOpen] = useState<'edit' | 'resize' | 'delete'>()
  const close = () => setOpen(undefined)
  const here = paths.machine(m.id)
  if (error instanceof ApiError && error.problem.status === 404)
    return (
      <Page title={m.name}>
        <Empty title={x.gone} actions={<Link to={paths.machines}>{x.back}</Link>}>
          {x.goneBody}
        </Empty>
      </Page>
    )
  const cannot = role === 'writer' || role === 'admin' ? undefined : x.onlyWriters
  const tabs = [
    { to: here, label: x.tabs.overview },
    { to: part(here, 'console'), label: x.tabs.console },
    { to: part(here, 'screen'), label: x.tabs.screen },
    { to: part(here, 'disks'), label: x.tabs.disks },
    { to: part(here, 'port-forwards'), label: x.tabs.forwards },
    { to: part(here, 'timeline'), label: x.tabs.timeline },
    { to: part(here, 'access'), label: x.tabs.access },
  ]
  const actions = machineActions(m, role, () => setOpen('delete'))
  const change = [
    { label: x.edit, blocked: cannot, onClick: () => setOpen('edit') },
    {
      label: x.resize,
      blocked: cannot ?? (m.state === 'stopped' ? undefined : x.notStopped),
      onClick: () => setOpen('resize'),
    },
  ]
  const power = actions.find((a) => a.label === (m.state === 'stopped' ? x.start : x.stop))
  return (
    <Page
      title={m.name}
      label={<StateLabel state={m.state} reason={m.reason} />}
      lead={m.description && <bdi className="atoll-text">{m.description}</bdi>}
      actions={
        <div className="atoll-buttons">
          {power && (
            <Button variant="secondary" isAriaDisabled={power.blocked !== undefined} onClick={power.onClick}>
              {power.label}
            </Button>
          )}
          <Menu
            name={t.actionsOf(m.name)}
            label={t.actions}
            actions={[...actions.slice(0, -1), ...change, ...actions.slice(-1)]}
          />
        </div>
      }
      tabs={<TabNav label={m.name} tabs={tabs} />}
    >
      <LiveOperation id={m.operation_id} />
      <Outlet />
      {open === 'edit' && <MachineEdit m={m} onClose={close} />}
      {open === 'resize' && <MachineResize m={m} onClose={close} />}
      {open === 'delete' && (
        <ConfirmDelete
          kind={x.one}
          name={m.name}
          onClose={close}
          onConfirm={() => client.DELETE('/api/v1/machines/{machine}', { params: { path: { machine: m.id } } })}
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}
