// A user's tabs beside the first: what the user signs in with, and what was done.
import { Button, Title } from '@patternfly/react-core'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { Timeline } from '@/frame/Timeline'
import { toast } from '@/frame/toasts'
import { useList } from '@/lists'
import { isAdmin, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Time } from '@/ui/Time'
import { type User, useUser } from './user'

const x = t.users
const p = t.profile

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

const sessionColumns: Column<Schemas['Session']>[] = [
  { label: p.from, cell: (s) => s.address },
  { label: p.browser, cell: (s) => <bdi>{s.user_agent}</bdi>, wide: true },
  { label: p.since, cell: (s) => <Time value={s.created_at} /> },
  { label: p.until, cell: (s) => <Time value={s.expires_at} />, wide: true },
]

function Sessions({ u }: { u: User }) {
  const list = useList('/api/v1/sessions', { fixed: { user: u.id }, prefix: 'session-' })
  const end = (s: Schemas['Session']) =>
    void client
      .DELETE('/api/v1/sessions/{session}', { params: { path: { session: s.id } } })
      .catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  return (
    <ListView
      label={x.sessions}
      list={list}
      columns={sessionColumns}
      rowKey={(s) => s.id}
      empty={<p>{x.noSessions}</p>}
      actions={(s) =>
        s.current ? (
          p.thisOne
        ) : (
          <Button variant="link" isInline onClick={() => end(s)}>
            {p.end}
          </Button>
        )
      }
    />
  )
}

const tokenColumns: Column<Schemas['Token']>[] = [
  { label: p.tokenName, cell: (k) => <bdi>{k.name}</bdi> },
  { label: p.used, cell: (k) => <Time value={k.last_used_at} /> },
  { label: p.until, cell: (k) => <Time value={k.expires_at} />, wide: true },
  { label: p.tokenReadOnly, cell: (k) => (k.scope === 'read' ? t.yes : t.no), wide: true },
]

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
