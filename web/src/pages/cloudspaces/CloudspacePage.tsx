import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, Outlet, useNavigate } from 'react-router'
import { ApiError, client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormModal } from '@/form/FormModal'
import { TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { LiveOperation } from '@/frame/LiveOperation'
import { TabNav } from '@/frame/TabNav'
import { objectQuery } from '@/names'
import { part, paths } from '@/paths'
import { choose, useMay } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { loadCloudspace, useCloudspaceQuery } from './cloudspace'

export const loader = loadCloudspace

const x = t.cloudspaces

/** CloudspacePage is a cloudspace’s head: what can be done with it, and the ways to its parts. */
export function Component() {
  const { data: c, error } = useCloudspaceQuery()
  const may = useMay({ ...c, cloudspace_id: c.id })
  const navigate = useNavigate()
  const [open, setOpen] = useState<'rename' | 'delete'>()
  const close = () => setOpen(undefined)
  const here = paths.cloudspace(c.id)
  if ((error as unknown) instanceof ApiError && (error as unknown as ApiError).problem.status === 404)
    return (
      <Page title={c.name}>
        <Empty title={x.gone} actions={<Link to={paths.cloudspaces}>{x.back}</Link>} />
      </Page>
    )
  const tabs = [
    { to: here, label: x.tabs.overview },
    { to: part(here, 'machines'), label: x.tabs.machines },
    { to: part(here, 'port-forwards'), label: x.tabs.forwards },
    { to: part(here, 'topology'), label: x.tabs.topology },
    { to: part(here, 'members'), label: x.tabs.members },
    { to: part(here, 'quota'), label: x.tabs.quota },
    { to: part(here, 'timeline'), label: x.tabs.timeline },
  ]
  const createMachine = () => {
    choose({ account: c.account_id, cloudspace: c.id })
    void navigate(paths.machineCreate)
  }
  return (
    <Page
      title={c.name}
      label={<StateLabel state={c.state} reason={c.reason} />}
      actions={
        <div className="atoll-buttons">
          <Button isAriaDisabled={!may.write} onClick={() => may.write && createMachine()}>
            {t.machines.create}
          </Button>
          <Menu
            name={t.actionsOf(c.name)}
            label={t.actions}
            actions={[
              {
                label: x.rename,
                blocked: may.write ? undefined : t.machines.onlyWriters,
                onClick: () => setOpen('rename'),
              },
              {
                label: t.delete,
                danger: true,
                blocked: may.manage ? undefined : x.onlyAdmins,
                onClick: () => setOpen('delete'),
              },
            ]}
          />
        </div>
      }
      tabs={<TabNav label={c.name} tabs={tabs} />}
    >
      <LiveOperation id={c.operation_id} />
      <Outlet />
      {open === 'rename' && <Rename c={c} onClose={close} />}
      {open === 'delete' && (
        <ConfirmDelete
          kind={x.one}
          name={c.name}
          onClose={close}
          onConfirm={() =>
            client.DELETE('/api/v1/cloudspaces/{cloudspace}', { params: { path: { cloudspace: c.id } } })
          }
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}

function Rename({ c, onClose }: { c: Schemas['Cloudspace']; onClose: () => void }) {
  return (
    <FormModal<{ name: string }>
      title={`${x.rename}: ${c.name}`}
      defaults={{ name: c.name }}
      submit={t.save}
      onClose={onClose}
      request={(body) => ({
        method: 'PATCH',
        path: `/cloudspaces/${c.id}`,
        body,
        cli: ['cloudspace update', c.id, flag('name', body.name)],
      })}
      edit={{
        version: c.version,
        labels: { name: x.name },
        reload: async () => {
          const now = await queries.fetchQuery({
            ...objectQuery<Schemas['Cloudspace']>('cloudspace', c.id),
            staleTime: 0,
          })
          return { version: now.version, values: { name: now.name } }
        },
      }}
      onSubmit={(body, _, version) =>
        client.PATCH('/api/v1/cloudspaces/{cloudspace}', {
          params: { path: { cloudspace: c.id }, header: ifMatch(version) },
          body,
        })
      }
    >
      <TextField<{ name: string }> name="name" label={x.name} help={x.nameHelp} required autoFocus />
    </FormModal>
  )
}
