import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { listLoader, useList } from '@/lists'
import { Named } from '@/names'
import { pathOf, paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'

type Leftover = Schemas['Leftover']

const x = t.leftovers
const options = { filters: ['kind'] } as const
const choices = Object.entries(x.kinds).map(([value, label]) => ({ value, label }))

export const loader = listLoader('/api/v1/leftovers', options)

const columns: Column<Leftover>[] = [
  { label: x.kind, cell: (l) => x.kinds[l.kind] ?? l.kind },
  { label: x.node, cell: (l) => <Named kind="node" id={l.node_id} /> },
  {
    label: x.object,
    cell: (l) => {
      const to = l.kind === 'machine' && pathOf('machine', l.object_id)
      const end = <code title={l.object_id}>…{l.object_id.slice(-6)}</code>
      return to ? <Link to={to}>{end}</Link> : end
    },
  },
  { label: x.reason, wide: true, cell: (l) => <bdi>{l.reason || t.none}</bdi> },
  { label: x.job, wide: true, cell: (l) => (l.job_id ? <Link to={paths.job(l.job_id)}>{t.details}</Link> : t.none) },
  { label: x.since, cell: (l) => <Time value={l.created_at} /> },
]

/** LeftoversPage lists what nodes still hold and should not. */
export function Component() {
  const operator = isOperator(useMe())
  const list = useList('/api/v1/leftovers', options)
  const [removing, setRemoving] = useState<Leftover>()
  return (
    <Page title={x.title} lead={x.about}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(l) => l.id}
        tools={
          <FilterSelect
            label={x.kind}
            value={list.filter('kind')}
            options={choices}
            onChange={(v) => list.setFilter('kind', v)}
          />
        }
        empty={<Empty title={x.none}>{x.noneBody}</Empty>}
        actions={(l) => (
          <Button
            variant="link"
            isInline
            isDanger
            isAriaDisabled={!operator}
            title={operator ? undefined : t.onlyOperators}
            onClick={() => operator && setRemoving(l)}
          >
            {x.remove}
          </Button>
        )}
      />
      {removing && (
        <Confirm
          title={x.removeTitle((x.kinds[removing.kind] ?? removing.kind).toLowerCase())}
          verb={x.remove}
          danger
          onClose={() => setRemoving(undefined)}
          onConfirm={() =>
            client.DELETE('/api/v1/leftovers/{leftover}', {
              params: { path: { leftover: removing.id }, header: ifMatch(removing.version) },
            })
          }
        >
          {x.removing}
        </Confirm>
      )}
    </Page>
  )
}
