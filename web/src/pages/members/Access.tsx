import { Button, Content } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { client, ifMatch, type Schemas } from '@/api/client'
import { toast } from '@/frame/toasts'
import { listQuery } from '@/lists'
import { Named } from '@/names'
import { useMay } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { type Column, DataTable } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { Menu } from '@/ui/Menu'
import { Time } from '@/ui/Time'
import { GiveRole } from './GiveRole'

type Membership = Schemas['Membership']

/** Place is what roles are shown of: an account, or a cloudspace or machine in it. */
export type Place = { account: string; cloudspace?: string; machine?: string }

const x = t.members

// A role counts in a place if it is on it or on what is around it; in an account
// those inside it show too.
const counts = (p: Place) => (m: Membership) =>
  !p.cloudspace ||
  (!m.project_id &&
    (!m.cloudspace_id || m.cloudspace_id === p.cloudspace) &&
    (!m.machine_id || m.machine_id === p.machine))

const isInherited = (p: Place, m: Membership) =>
  Boolean((p.machine && !m.machine_id) || (p.cloudspace && !p.machine && !m.cloudspace_id))

/** Access is who may do what in a place, and where each role comes from. */
export function Access(place: Place) {
  const list = useQuery(listQuery('/api/v1/memberships', { limit: 1000, filter: [`account=${place.account}`] }))
  const may = useMay({ account_id: place.account, cloudspace_id: place.cloudspace, machine_id: place.machine })
  const [giving, setGiving] = useState(false)
  const [taking, setTaking] = useState<Membership>()
  const rows = (list.data?.items ?? []).filter(counts(place))
  const columns: Column<Membership>[] = [
    { label: x.who, cell: (m) => <bdi>{m.user || m.user_id}</bdi> },
    { label: x.role, cell: (m) => x.roles[m.role] ?? m.role },
    { label: x.where, cell: (m) => <Where m={m} inherited={isInherited(place, m)} /> },
    { label: x.since, wide: true, cell: (m) => <Time value={m.created_at} /> },
  ]
  const give = (
    <Button isAriaDisabled={!may.manage} onClick={() => may.manage && setGiving(true)}>
      {x.give}
    </Button>
  )
  const set = (m: Membership, role: Membership['role']) =>
    client
      .PATCH('/api/v1/memberships/{membership}', {
        params: { path: { membership: m.id }, header: ifMatch(m.version) },
        body: { role },
      })
      .catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  return (
    <>
      <div className="atoll-row atoll-live">
        <Content component="p" className="atoll-prose">
          {x.explain}
        </Content>
        <div className="atoll-buttons">{rows.length > 0 && give}</div>
      </div>
      {list.error && <ErrorView error={list.error} />}
      {list.data && rows.length === 0 && <Empty title={x.none} actions={give} />}
      {(list.isPending || rows.length > 0) && (
        <DataTable
          label={x.title}
          columns={columns}
          rows={rows}
          rowKey={(m) => m.id}
          loading={list.isPending}
          actions={(m) => {
            const blocked = !may.manage ? x.onlyAdmins : isInherited(place, m) ? x.elsewhere : undefined
            return (
              <Menu
                name={t.actionsOf(m.user ?? m.user_id)}
                actions={[
                  ...(['reader', 'writer', 'admin'] as const)
                    .filter((r) => r !== m.role)
                    .map((r) => ({ label: x.make(x.roles[r] ?? r), blocked, onClick: () => void set(m, r) })),
                  { label: x.take, danger: true, blocked, onClick: () => setTaking(m) },
                ]}
              />
            )
          }}
        />
      )}
      {giving && <GiveRole place={place} onClose={() => setGiving(false)} />}
      {taking && (
        <ConfirmDelete
          kind={x.one}
          title={x.takeTitle(taking.user ?? taking.user_id)}
          verb={x.take}
          name={taking.user ?? taking.user_id}
          onClose={() => setTaking(undefined)}
          onConfirm={() =>
            client.DELETE('/api/v1/memberships/{membership}', { params: { path: { membership: taking.id } } })
          }
        >
          {x.taking(taking.user ?? taking.user_id)}
        </ConfirmDelete>
      )}
    </>
  )
}

// What a role is on. One from the level above says so.
function Where({ m, inherited }: { m: Membership; inherited: boolean }) {
  const [label, kind, id] = m.machine_id
    ? [x.onMachine, 'machine' as const, m.machine_id]
    : m.project_id
      ? [x.onProject, 'project' as const, m.project_id]
      : m.cloudspace_id
        ? [x.onCloudspace, 'cloudspace' as const, m.cloudspace_id]
        : [x.onAccount, 'account' as const, m.account_id]
  return (
    <>
      {inherited ? x.inherited(label) : label} <Named kind={kind} id={id} />
    </>
  )
}
