import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { client, ifMatch, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { TextAreaField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { WithAccount } from '@/frame/WithAccount'
import { useDebounced, useList } from '@/lists'
import { useMay } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'

type Key = Schemas['SSHKey']
type Account = Schemas['Account']

const x = t.sshKeys

const columns: Column<Key>[] = [
  { label: x.name, sort: 'name', cell: (k) => <bdi>{k.name}</bdi> },
  { label: x.fingerprint, cell: (k) => <code>{k.fingerprint}</code> },
  { label: x.created, sort: 'created_at', wide: true, cell: (k) => <Time value={k.created_at} /> },
]

/** SSHKeysPage is the public keys of the chosen account. */
export const Component = () => (
  <Page title={x.title} lead={x.about}>
    <WithAccount>{(a) => <Keys key={a.id} account={a} />}</WithAccount>
  </Page>
)

function Keys({ account }: { account: Account }) {
  const list = useList('/api/v1/ssh-keys', { search: 'name', sort: 'name', always: [`account=${account.id}`] })
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const may = useMay({ account_id: account.id })
  const [open, setOpen] = useState<{ what: 'create' | 'rename' | 'delete'; key?: Key }>()
  const close = () => setOpen(undefined)
  const blocked = may.write ? undefined : t.machines.onlyWriters
  const create = (
    <Button isAriaDisabled={!may.write} onClick={() => may.write && setOpen({ what: 'create' })}>
      {x.create}
    </Button>
  )
  const key = open?.key
  return (
    <>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(k) => k.id}
        search={{ value: q, onChange: setQ, by: x.name }}
        tools={create}
        empty={
          <Empty title={t.list.empty} actions={create}>
            {x.about}
          </Empty>
        }
        actions={(k) => (
          <Menu
            name={t.actionsOf(k.name)}
            actions={[
              { label: x.rename, blocked, onClick: () => setOpen({ what: 'rename', key: k }) },
              { label: t.delete, danger: true, blocked, onClick: () => setOpen({ what: 'delete', key: k }) },
            ]}
          />
        )}
      />
      {open?.what === 'create' && <Create account={account} onClose={close} />}
      {open?.what === 'rename' && key && <Rename k={key} onClose={close} />}
      {open?.what === 'delete' && key && (
        <ConfirmDelete
          kind={x.one}
          name={key.name}
          onClose={close}
          onConfirm={() => client.DELETE('/api/v1/ssh-keys/{ssh_key}', { params: { path: { ssh_key: key.id } } })}
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </>
  )
}

type Values = { name: string; public_key: string }

function Create({ account, onClose }: { account: Account; onClose: () => void }) {
  const body = (v: Values) => ({ account: account.id, name: v.name, public_key: v.public_key.trim() })
  return (
    <FormModal<Values>
      title={x.create}
      defaults={{ name: '', public_key: '' }}
      submit={x.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/ssh-keys',
        body: body(v),
        cli: ['ssh-key create', v.name || 'NAME', flag('account', account.name), '--file KEY.pub'],
      })}
      onSubmit={(v, key) =>
        client.POST('/api/v1/ssh-keys', { params: { header: { 'Idempotency-Key': key } }, body: body(v) })
      }
    >
      <TextField<Values> name="name" label={x.name} required autoFocus />
      <TextAreaField<Values> name="public_key" label={x.key} help={x.keyHelp} required rows={4} code />
    </FormModal>
  )
}

function Rename({ k, onClose }: { k: Key; onClose: () => void }) {
  return (
    <FormModal<{ name: string }>
      title={`${x.rename}: ${k.name}`}
      defaults={{ name: k.name }}
      submit={t.save}
      onClose={onClose}
      request={(body) => ({
        method: 'PATCH',
        path: `/ssh-keys/${k.id}`,
        body,
        cli: ['ssh-key update', k.id, flag('name', body.name)],
      })}
      onSubmit={(body) =>
        client.PATCH('/api/v1/ssh-keys/{ssh_key}', {
          params: { path: { ssh_key: k.id }, header: ifMatch(k.version) },
          body,
        })
      }
    >
      <TextField<{ name: string }> name="name" label={x.name} required autoFocus />
    </FormModal>
  )
}
