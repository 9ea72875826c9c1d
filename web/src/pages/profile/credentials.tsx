// What a user is signed in with: on his profile, and on his page for admins.
import { Button } from '@patternfly/react-core'
import { client, type Schemas } from '@/api/client'
import { toast } from '@/frame/toasts'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Time } from '@/ui/Time'

const x = t.profile

export const sessionColumns: Column<Schemas['Session']>[] = [
  { label: x.from, cell: (s) => s.address },
  { label: x.browser, cell: (s) => <bdi>{s.user_agent}</bdi>, wide: true },
  { label: x.since, cell: (s) => <Time value={s.created_at} /> },
  { label: x.until, cell: (s) => <Time value={s.expires_at} />, wide: true },
]

export const tokenColumns: Column<Schemas['Token']>[] = [
  { label: x.tokenName, cell: (k) => <bdi>{k.name}</bdi> },
  { label: x.used, cell: (k) => <Time value={k.last_used_at} /> },
  { label: x.until, cell: (k) => <Time value={k.expires_at} />, wide: true },
  { label: x.tokenReadOnly, cell: (k) => (k.scope === 'read' ? t.yes : t.no), wide: true },
]

/** sessionAction ends a session that is not the one in which it is shown. */
export function sessionAction(s: Schemas['Session']) {
  const end = () =>
    void client
      .DELETE('/api/v1/sessions/{session}', { params: { path: { session: s.id } } })
      .catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  if (s.current) return x.thisOne
  return (
    <Button variant="link" isInline onClick={end}>
      {x.end}
    </Button>
  )
}
