import { useState } from 'react'
import { Link, Outlet } from 'react-router'
import { ApiError, client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormModal } from '@/form/FormModal'
import { TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { TabNav } from '@/frame/TabNav'
import { toast } from '@/frame/toasts'
import { objectQuery } from '@/names'
import { part, paths } from '@/paths'
import { isOperator, useMay, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { loadAccount, useAccountQuery } from './account'

type Account = Schemas['Account']

export const loader = loadAccount

const x = t.accountPages

/** AccountPage is an account’s head: what can be done with it, and the ways to its parts. */
export function Component() {
  const { data: a, error } = useAccountQuery()
  const operator = isOperator(useMe())
  const may = useMay({ account_id: a.id })
  const [open, setOpen] = useState<'edit' | 'delete'>()
  const close = () => setOpen(undefined)
  const here = paths.account(a.id)
  if ((error as unknown) instanceof ApiError && (error as unknown as ApiError).problem.status === 404)
    return (
      <Page title={a.name}>
        <Empty title={x.gone} actions={<Link to={paths.accounts}>{x.back}</Link>} />
      </Page>
    )
  const tabs = [
    { to: here, label: x.tabs.overview },
    { to: part(here, 'members'), label: x.tabs.members },
    { to: part(here, 'quota'), label: x.tabs.quota },
    { to: part(here, 'timeline'), label: x.tabs.timeline },
  ]
  const operators = operator ? undefined : x.onlyOperators
  const state = (to: Account['state']) =>
    void update(a, { state: to }).catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  return (
    <Page
      title={a.name}
      label={<StateLabel state={a.state} />}
      lead={a.description && <bdi className="atoll-text">{a.description}</bdi>}
      actions={
        <Menu
          name={t.actionsOf(a.name)}
          label={t.actions}
          actions={[
            { label: t.edit, blocked: may.manage ? undefined : x.onlyAdmins, onClick: () => setOpen('edit') },
            a.state === 'active'
              ? { label: x.disable, blocked: operators, onClick: () => state('disabled') }
              : { label: x.enable, blocked: operators, onClick: () => state('active') },
            { label: t.delete, danger: true, blocked: operators, onClick: () => setOpen('delete') },
          ]}
        />
      }
      tabs={<TabNav label={a.name} tabs={tabs} />}
    >
      <Outlet />
      {open === 'edit' && <Edit a={a} onClose={close} />}
      {open === 'delete' && (
        <ConfirmDelete
          kind={x.one}
          name={a.name}
          onClose={close}
          onConfirm={() => client.DELETE('/api/v1/accounts/{account}', { params: { path: { account: a.id } } })}
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}

const update = (a: Account, body: Schemas['AccountUpdate']) =>
  client.PATCH('/api/v1/accounts/{account}', { params: { path: { account: a.id }, header: ifMatch(a.version) }, body })

type Values = { name: string; description: string }

function Edit({ a, onClose }: { a: Account; onClose: () => void }) {
  return (
    <FormModal<Values>
      title={`${x.edit}: ${a.name}`}
      defaults={{ name: a.name, description: a.description ?? '' }}
      submit={t.save}
      onClose={onClose}
      request={(body) => ({
        method: 'PATCH',
        path: `/accounts/${a.id}`,
        body,
        cli: ['account update', a.id, flag('name', body.name), flag('description', body.description)],
      })}
      edit={{
        version: a.version,
        labels: { name: x.name, description: x.description },
        reload: async () => {
          const now = await queries.fetchQuery({ ...objectQuery<Account>('account', a.id), staleTime: 0 })
          return { version: now.version, values: { name: now.name, description: now.description ?? '' } }
        },
      }}
      onSubmit={(body, _, version) => update({ ...a, version }, body)}
    >
      <TextField<Values> name="name" label={x.name} help={x.nameHelp} required />
      <TextField<Values> name="description" label={x.description} />
    </FormModal>
  )
}
