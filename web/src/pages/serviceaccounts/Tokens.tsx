import { Alert, Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormModal } from '@/form/FormModal'
import { CheckField, NumberField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { listQuery } from '@/lists'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Copyable } from '@/ui/Copyable'
import { type Column, DataTable } from '@/ui/DataTable'
import { ErrorView } from '@/ui/ErrorView'
import { Menu } from '@/ui/Menu'
import { Time } from '@/ui/Time'

type Token = Schemas['Token']

const x = t.serviceAccounts

const columns: Column<Token>[] = [
  { label: x.tokenName, cell: (k) => <bdi>{k.name}</bdi> },
  { label: x.readOnly, cell: (k) => (k.scope === 'read' ? t.yes : t.no) },
  { label: x.expires, cell: (k) => (k.expires_at ? <Time value={k.expires_at} /> : x.never) },
  { label: x.lastUsed, wide: true, cell: (k) => (k.last_used_at ? <Time value={k.last_used_at} /> : x.never) },
]

/** Tokens is the tokens of a service account; the secret of a new one is shown once. */
export function Tokens({ of, onClose }: { of: Schemas['ServiceAccount']; onClose: () => void }) {
  const query = listQuery('/api/v1/tokens', { limit: 200, user: of.id })
  const list = useQuery(query)
  const [secret, setSecret] = useState<string>()
  const [creating, setCreating] = useState(false)
  const [deleting, setDeleting] = useState<Token>()
  // Tokens are nobody else’s business: no event tells of those of another user.
  const again = () => queries.invalidateQueries({ queryKey: query.queryKey })
  if (creating)
    return (
      <Create
        of={of}
        onClose={() => setCreating(false)}
        onCreated={(s) => {
          setSecret(s)
          void again()
        }}
      />
    )
  if (deleting)
    return (
      <ConfirmDelete
        kind={t.serviceAccounts.tokenName}
        name={deleting.name}
        onClose={() => setDeleting(undefined)}
        onConfirm={async () => {
          await client.DELETE('/api/v1/tokens/{token}', { params: { path: { token: deleting.id } } })
          await again()
        }}
      >
        {x.deletingToken}
      </ConfirmDelete>
    )
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="tokens-title">
      <ModalHeader title={`${x.tokens}: ${of.name}`} labelId="tokens-title" />
      <ModalBody>
        {secret && (
          <Alert variant="success" isInline title={x.tokenShown} className="atoll-live">
            <Copyable text={secret} label={x.newToken} />
          </Alert>
        )}
        {list.error && <ErrorView error={list.error} />}
        {list.data?.items.length === 0 ? (
          <p>{x.noTokens}</p>
        ) : (
          <DataTable
            label={x.tokens}
            columns={columns}
            rows={list.data?.items ?? []}
            rowKey={(k) => k.id}
            loading={list.isPending}
            actions={(k) => (
              <Menu
                name={t.actionsOf(k.name)}
                actions={[{ label: t.delete, danger: true, onClick: () => setDeleting(k) }]}
              />
            )}
          />
        )}
      </ModalBody>
      <ModalFooter>
        <Button variant="secondary" onClick={() => setCreating(true)}>
          {x.newToken}
        </Button>
        <Button onClick={onClose}>{x.done}</Button>
      </ModalFooter>
    </Modal>
  )
}

type Values = { name: string; days?: number; read: boolean }
type CreateProps = { of: Schemas['ServiceAccount']; onClose: () => void; onCreated: (secret: string) => void }

function Create({ of, onClose, onCreated }: CreateProps) {
  const body = (v: Values) => ({
    name: v.name,
    user: of.id,
    scope: v.read ? ('read' as const) : ('full' as const),
    ...(v.days && { ttl: `${v.days * 24}h` }),
  })
  return (
    <FormModal<Values>
      title={`${x.newToken}: ${of.name}`}
      defaults={{ name: '', days: 90, read: false }}
      submit={t.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/tokens',
        body: body(v),
        cli: [
          'token create',
          v.name || 'NAME',
          flag('user', of.id),
          v.read && '--scope read',
          flag('ttl', v.days && `${v.days * 24}h`),
        ],
      })}
      onSubmit={async (v, key) => {
        const { data } = await client.POST('/api/v1/tokens', {
          params: { header: { 'Idempotency-Key': key } },
          body: body(v),
        })
        if (data) onCreated(data.secret)
      }}
    >
      <TextField<Values> name="name" label={x.tokenName} required autoFocus />
      <NumberField<Values> name="days" label={x.days} help={x.daysHelp} min={1} />
      <CheckField<Values> name="read" label={x.readOnly} />
    </FormModal>
  )
}
