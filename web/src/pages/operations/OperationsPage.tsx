import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { lasted } from '@/format'
import { listLoader, useList } from '@/lists'
import { pathOf, paths } from '@/paths'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'

type Operation = Schemas['Operation']

const x = t.operations
const options = { filters: ['state'], scope: 'cloudspace', sort: '-created_at' } as const

export const loader = listLoader('/api/v1/operations', options)

const columns: Column<Operation>[] = [
  { label: x.what, cell: (o) => <Link to={paths.operation(o.id)}>{t.tasks.name(o.kind)}</Link> },
  {
    label: x.subject,
    cell: (o) => {
      const to = pathOf(o.subject_kind, o.subject_id)
      return <bdi>{to ? <Link to={to}>{o.subject_name || t.details}</Link> : o.subject_name}</bdi>
    },
  },
  { label: x.state, cell: (o) => <StateLabel state={o.state} reason={o.error} /> },
  { label: x.progress, wide: true, cell: (o) => (o.finished_at ? t.none : `${o.progress} %`) },
  { label: x.began, sort: 'created_at', cell: (o) => <Time value={o.created_at} /> },
  { label: x.took, wide: true, cell: (o) => o.created_at && lasted(o.created_at, o.finished_at) },
]

/** OperationsPage lists what was done and is being done in durable steps. */
export function Component() {
  const list = useList('/api/v1/operations', options)
  return (
    <Page title={x.title} lead={x.about}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(o) => o.id}
        tools={
          <FilterSelect
            label={x.state}
            value={list.filter('state')}
            options={['running', 'undoing', 'succeeded', 'failed', 'canceled']}
            onChange={(v) => list.setFilter('state', v)}
          />
        }
        empty={<Empty title={t.tasks.none}>{t.tasks.noneBody}</Empty>}
      />
    </Page>
  )
}
