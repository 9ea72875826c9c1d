import { Alert, Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { readAgain } from '@/api/queries'
import { listQuery } from '@/lists'
import { TokenForm } from '@/pages/profile/TokenCreate'
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
  const list = useQuery(listQuery('/api/v1/tokens', { limit: 200, user: of.id }))
  const [secret, setSecret] = useState<string>()
  const [creating, setCreating] = useState(false)
  const [deleting, setDeleting] = useState<Token>()
  if (creating)
    return (
      <TokenForm
        title={`${x.newToken}: ${of.name}`}
        of={of}
        onClose={() => setCreating(false)}
        onCreated={(s) => {
          setSecret(s)
          setCreating(false)
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
          await readAgain('/api/v1/tokens')
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
