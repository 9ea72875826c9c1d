import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { client, ifMatch, type Schemas } from '@/api/client'
import { toast } from '@/frame/toasts'
import { WithAccount } from '@/frame/WithAccount'
import { useList } from '@/lists'
import { useMay } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { ServiceAccountCreate } from './ServiceAccountCreate'
import { Tokens } from './Tokens'

type ServiceAccount = Schemas['ServiceAccount']

const x = t.serviceAccounts

const columns: Column<ServiceAccount>[] = [
  { label: x.name, cell: (s) => <bdi>{s.name}</bdi> },
  { label: x.fullName, cell: (s) => <bdi>{s.full_name}</bdi> },
  { label: x.state, cell: (s) => <StateLabel state={s.disabled ? 'disabled' : 'enabled'} /> },
  { label: x.created, wide: true, cell: (s) => <Time value={s.created_at} /> },
]

/** ServiceAccountsPage is the users for programs of the chosen account. */
export const Component = () => (
  <Page title={x.title} lead={x.about}>
    <WithAccount>{(a) => <List key={a.id} account={a} />}</WithAccount>
  </Page>
)

function List({ account }: { account: Schemas['Account'] }) {
  const list = useList('/api/v1/service-accounts', { always: [`account=${account.id}`] })
  const may = useMay({ account_id: account.id })
  const [open, setOpen] = useState<{ what: 'create' | 'tokens' | 'delete'; of?: ServiceAccount }>()
  const close = () => setOpen(undefined)
  const blocked = may.manage ? undefined : x.onlyAdmins
  const create = (
    <Button isAriaDisabled={!may.manage} onClick={() => may.manage && setOpen({ what: 'create' })}>
      {x.create}
    </Button>
  )
  const disable = (s: ServiceAccount, disabled: boolean) =>
    void client
      .PATCH('/api/v1/service-accounts/{service_account}', {
        params: { path: { service_account: s.id }, header: ifMatch(s.version) },
        body: { disabled },
      })
      .catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  const of = open?.of
  return (
    <>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(s) => s.id}
        tools={create}
        empty={
          <Empty title={t.list.empty} actions={create}>
            {x.about}
          </Empty>
        }
        actions={(s) => (
          <Menu
            name={t.actionsOf(s.name)}
            actions={[
              { label: x.tokens, blocked, onClick: () => setOpen({ what: 'tokens', of: s }) },
              s.disabled
                ? { label: x.enable, blocked, onClick: () => disable(s, false) }
                : { label: x.disable, blocked, onClick: () => disable(s, true) },
              { label: t.delete, danger: true, blocked, onClick: () => setOpen({ what: 'delete', of: s }) },
            ]}
          />
        )}
      />
      {open?.what === 'create' && (
        <ServiceAccountCreate account={account} onClose={close} onCreated={(s) => setOpen({ what: 'tokens', of: s })} />
      )}
      {open?.what === 'tokens' && of && <Tokens of={of} onClose={close} />}
      {open?.what === 'delete' && of && (
        <ConfirmDelete
          kind={x.one}
          name={of.name}
          onClose={close}
          onConfirm={() =>
            client.DELETE('/api/v1/service-accounts/{service_account}', {
              params: { path: { service_account: of.id } },
            })
          }
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </>
  )
}
