import { Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import { listLoader, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { type User, UserState } from './user'

const x = t.users
const options = { search: 'name', filters: ['role'] } as const
const roles = Object.entries(x.roleShort).map(([value, label]) => ({ value, label }))

export const loader = listLoader('/api/v1/users', options)

const columns: Column<User>[] = [
  {
    label: x.name,
    cell: (u) => (
      <Link to={paths.user(u.id)}>
        <bdi>{u.name}</bdi>
      </Link>
    ),
  },
  { label: x.fullName, wide: true, cell: (u) => <bdi>{u.full_name || t.none}</bdi> },
  { label: x.email, wide: true, cell: (u) => u.email || t.none },
  { label: x.role, cell: (u) => (u.role ? x.roleShort[u.role] : t.none) },
  { label: x.state, cell: (u) => <UserState user={u} /> },
  { label: x.lastLogin, cell: (u) => (u.last_login_at ? <Time value={u.last_login_at} /> : x.never) },
]

/** UsersPage lists who can sign in. */
export function Component() {
  const operator = isOperator(useMe())
  const list = useList('/api/v1/users', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const create = operator && <Button component={(p) => <Link {...p} to={paths.userCreate} />}>{x.create}</Button>
  return (
    <Page title={x.title} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(u) => u.id}
        search={{ value: q, onChange: setQ, by: x.name }}
        tools={
          <FilterSelect
            label={x.role}
            value={list.filter('role')}
            options={roles}
            onChange={(v) => list.setFilter('role', v)}
          />
        }
        empty={<Empty title={t.list.empty} actions={create} />}
      />
    </Page>
  )
}
