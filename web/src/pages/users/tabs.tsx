// A user's tabs beside the first: what the user signs in with, and what was done.
import { Button, Title } from '@patternfly/react-core'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { Timeline } from '@/frame/Timeline'
import { useList } from '@/lists'
import { sessionAction, sessionColumns, tokenColumns } from '@/pages/profile/credentials'
import { isAdmin, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { type User, useUser } from './user'

const x = t.users

/** AccessTab are a user's sessions and tokens; the user's own, and for admins. */
export function AccessTab() {
  const u = useUser()
  const me = useMe()
  if (!isAdmin(me) && u.id !== me.user.id) return <Empty title={x.onlyAdmins} />
  return (
    <>
      <section className="atoll-part" aria-label={x.sessions}>
        <Title headingLevel="h2">{x.sessions}</Title>
        <Sessions u={u} />
      </section>
      <section aria-label={x.tokens}>
        <Title headingLevel="h2">{x.tokens}</Title>
        <Tokens u={u} />
      </section>
    </>
  )
}

function Sessions({ u }: { u: User }) {
  const list = useList('/api/v1/sessions', { fixed: { user: u.id }, prefix: 'session-' })
  return (
    <ListView
      label={x.sessions}
      list={list}
      columns={sessionColumns}
      rowKey={(s) => s.id}
      empty={<p>{x.noSessions}</p>}
      actions={sessionAction}
    />
  )
}

function Tokens({ u }: { u: User }) {
  const list = useList('/api/v1/tokens', { fixed: { user: u.id }, prefix: 'token-' })
  const [deleting, setDeleting] = useState<Schemas['Token']>()
  return (
    <>
      <ListView
        label={x.tokens}
        list={list}
        columns={tokenColumns}
        rowKey={(k) => k.id}
        empty={<p>{x.noTokens}</p>}
        actions={(k) => (
          <Button variant="link" isInline isDanger onClick={() => setDeleting(k)}>
            {t.delete}
          </Button>
        )}
      />
      {deleting && (
        <ConfirmDelete
          kind={x.tokens}
          name={deleting.name}
          onClose={() => setDeleting(undefined)}
          onConfirm={() => client.DELETE('/api/v1/tokens/{token}', { params: { path: { token: deleting.id } } })}
        />
      )}
    </>
  )
}

export const TimelineTab = () => <Timeline filter={`subject=${useUser().id}`} />
