import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { listLoader, useList } from '@/lists'
import { Named } from '@/names'
import { rolesOf } from '@/pages/nodes/node'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { JoinTokenCreate } from './JoinTokenCreate'

type JoinToken = Schemas['JoinToken']

const x = t.joinTokens
const options = { sort: '-created_at' } as const

export const loader = listLoader('/api/v1/join-tokens', options)

const columns: Column<JoinToken>[] = [
  { label: x.created, sort: 'created_at', cell: (k) => <Time value={k.created_at} /> },
  { label: x.location, cell: (k) => <Named kind="location" id={k.location_id} /> },
  { label: x.roles, wide: true, cell: (k) => rolesOf(k.roles) },
  { label: x.usesLeft, numeric: true, cell: (k) => k.uses_left },
  { label: x.expires, cell: (k) => <Time value={k.expires_at} /> },
]

/** JoinTokensPage lists the tokens with which servers join, and makes them. */
export function Component() {
  const operator = isOperator(useMe())
  const list = useList('/api/v1/join-tokens', options)
  const [creating, setCreating] = useState(false)
  const [deleting, setDeleting] = useState<JoinToken>()
  const create = operator && <Button onClick={() => setCreating(true)}>{x.create}</Button>
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(k) => k.id}
        empty={
          <Empty title={x.none} actions={create}>
            {t.nodes.addHow}
          </Empty>
        }
        actions={(k) => (
          <Button
            variant="link"
            isInline
            isDanger
            isAriaDisabled={!operator}
            title={operator ? undefined : t.onlyOperators}
            onClick={() => operator && setDeleting(k)}
          >
            {t.delete}
          </Button>
        )}
      />
      {creating && <JoinTokenCreate onClose={() => setCreating(false)} />}
      {deleting && (
        <Confirm
          title={`${t.delete}: ${x.one}`}
          verb={t.delete}
          danger
          onClose={() => setDeleting(undefined)}
          onConfirm={() =>
            client.DELETE('/api/v1/join-tokens/{join_token}', {
              params: { path: { join_token: deleting.id } },
            })
          }
        >
          {x.deleting}
        </Confirm>
      )}
    </Page>
  )
}
