import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import type { Schemas } from '@/api/client'
import { type ListOptions, listLoader, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { AccountCreate } from './AccountCreate'

type Account = Schemas['Account']

const x = t.accountPages

const options = { search: 'name', filters: ['state'], sort: 'name' } satisfies ListOptions

export const loader = listLoader('/api/v1/accounts', options)

const columns: Column<Account>[] = [
  { label: x.name, sort: 'name', cell: (a) => <Link to={paths.account(a.id)}>{a.name}</Link> },
  { label: x.state, cell: (a) => <StateLabel state={a.state} /> },
  { label: x.description, wide: true, cell: (a) => <bdi>{a.description}</bdi> },
  { label: x.created, sort: 'created_at', wide: true, cell: (a) => <Time value={a.created_at} /> },
]

/** AccountsPage lists the tenants. */
export function Component() {
  const operator = isOperator(useMe())
  const navigate = useNavigate()
  const list = useList('/api/v1/accounts', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const [creating, setCreating] = useState(false)
  const create = operator && <Button onClick={() => setCreating(true)}>{x.create}</Button>
  return (
    <Page title={t.accounts.title} lead={x.about} actions={create}>
      <ListView
        label={t.accounts.title}
        list={list}
        columns={columns}
        rowKey={(a) => a.id}
        search={{ value: q, onChange: setQ, by: x.name }}
        tools={
          <FilterSelect
            label={x.state}
            value={list.filter('state')}
            options={['active', 'disabled']}
            onChange={(v) => list.setFilter('state', v)}
          />
        }
        empty={
          <Empty title={t.list.empty} actions={create}>
            {x.about}
          </Empty>
        }
      />
      {creating && (
        <AccountCreate onClose={() => setCreating(false)} onCreated={(a) => void navigate(paths.account(a.id))} />
      )}
    </Page>
  )
}
