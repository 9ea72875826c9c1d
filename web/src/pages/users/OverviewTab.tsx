import { Title } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { listQuery } from '@/lists'
import { Named } from '@/names'
import { paths } from '@/paths'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import { type Column, DataTable } from '@/ui/DataTable'
import { ErrorView } from '@/ui/ErrorView'
import { Facts } from '@/ui/Facts'
import { Time } from '@/ui/Time'
import { useUser } from './user'

type Membership = Schemas['Membership']

const x = t.users

const columns: Column<Membership>[] = [
  { label: t.members.role, cell: (m) => t.members.roles[m.role] ?? m.role },
  { label: t.scope.account, cell: (m) => <Named kind="account" id={m.account_id} /> },
  {
    label: t.members.where,
    cell: (m) => {
      if (m.machine_id) return <Named kind="machine" id={m.machine_id} />
      if (m.project_id) return <Named kind="project" id={m.project_id} />
      return <Named kind="cloudspace" id={m.cloudspace_id} />
    },
  },
  { label: t.members.since, wide: true, cell: (m) => <Time value={m.created_at} /> },
]

/** OverviewTab is who a user is, and which roles the user has. */
export function Component() {
  const u = useUser()
  const list = useQuery(listQuery('/api/v1/memberships', { limit: 1000, filter: [`user=${u.id}`] }))
  return (
    <>
      <section className="atoll-part">
        <Facts
          items={[
            [x.fullName, u.full_name || undefined],
            [x.email, u.email || undefined],
            [x.role, x.roleOf[u.role ?? ''] ?? u.role],
            [x.password, u.has_password ? x.hasPassword : x.noPassword],
            [x.twoFactor, u.two_factor ? t.yes : t.no],
            [x.provider, u.issuer || undefined],
            [x.lastLogin, u.last_login_at ? <Time key="login" value={u.last_login_at} /> : x.never],
            [x.lockedUntil, u.locked_until ? <Time key="locked" value={u.locked_until} /> : undefined],
            [x.created, <Time key="created" value={u.created_at} />],
            [t.nodes.id, <Copyable key="id" text={u.id} label={t.nodes.id} />],
          ]}
        />
      </section>
      <section aria-label={x.memberships}>
        <Title headingLevel="h2">{x.memberships}</Title>
        {list.error && <ErrorView error={list.error} />}
        {list.data?.items.length === 0 ? (
          <p>
            {x.noMemberships} <Link to={paths.members}>{t.members.title}</Link>
          </p>
        ) : (
          <DataTable
            label={x.memberships}
            columns={columns}
            rows={list.data?.items ?? []}
            loading={list.isPending}
            rowKey={(m) => m.id}
          />
        )}
      </section>
    </>
  )
}
