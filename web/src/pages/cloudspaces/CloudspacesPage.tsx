import { Button, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import type { Schemas } from '@/api/client'
import { useAccount } from '@/frame/WithAccount'
import { type ListOptions, listLoader, useDebounced, useList } from '@/lists'
import { Named } from '@/names'
import { paths } from '@/paths'
import { canWriteSomewhere, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { useView } from '@/view'
import { CloudspaceCard } from './CloudspaceCard'
import { CloudspaceCreate } from './CloudspaceCreate'
import { MachineStates } from './MachineStates'

type Cloudspace = Schemas['Cloudspace']

const x = t.cloudspaces

const options = { search: 'name', scope: 'account', sort: 'name' } satisfies ListOptions

export const loader = listLoader('/api/v1/cloudspaces', options)

const columns: Column<Cloudspace>[] = [
  { label: x.name, sort: 'name', cell: (c) => <Link to={paths.cloudspace(c.id)}>{c.name}</Link> },
  { label: x.state, cell: (c) => <StateLabel state={c.state} reason={c.reason} /> },
  { label: x.network, cell: (c) => <code>{c.network}</code> },
  { label: x.machines, cell: (c) => <MachineStates cloudspace={c.id} /> },
  { label: x.account, wide: true, cell: (c) => <Named kind="account" id={c.account_id} /> },
  { label: x.created, sort: 'created_at', wide: true, cell: (c) => <Time value={c.created_at} /> },
]

/** CloudspacesPage shows the cloudspaces of the chosen account, as cards or as a list. */
export function Component() {
  const me = useMe()
  const navigate = useNavigate()
  const list = useList('/api/v1/cloudspaces', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const [view, setView] = useView('cloudspaces')
  const [creating, setCreating] = useState(false)
  const { account } = useAccount()
  const create = canWriteSomewhere(me) && (
    <Button onClick={() => (account ? setCreating(true) : navigate(paths.cloudspaceCreate))}>{x.create}</Button>
  )
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(c) => c.id}
        search={{ value: q, onChange: setQ, by: x.name }}
        tools={
          <ToggleGroup aria-label={x.view}>
            <ToggleGroupItem text={x.cards} isSelected={view === 'cards'} onChange={() => setView('cards')} />
            <ToggleGroupItem text={x.list} isSelected={view === 'list'} onChange={() => setView('list')} />
          </ToggleGroup>
        }
        empty={
          <Empty title={t.list.empty} actions={create}>
            {x.about}
          </Empty>
        }
        cards={view === 'cards' ? (c) => <CloudspaceCard c={c} /> : undefined}
      />
      {creating && account && (
        <CloudspaceCreate
          account={account}
          onClose={() => setCreating(false)}
          onCreated={(c) => void navigate(paths.cloudspace(c.id))}
        />
      )}
    </Page>
  )
}
