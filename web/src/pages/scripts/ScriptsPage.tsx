import { Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { listLoader, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'

type Script = Schemas['Script']

const x = t.scripts
const options = { search: 'name' } as const

export const loader = listLoader('/api/v1/scripts', options)

const columns: Column<Script>[] = [
  { label: x.name, cell: (s) => <Link to={paths.script(s.id)}>{s.name}</Link> },
  { label: x.description, wide: true, cell: (s) => <bdi className="atoll-clamp">{s.header.description}</bdi> },
  { label: x.revision, numeric: true, cell: (s) => s.revision },
  { label: x.roles, wide: true, cell: (s) => s.header.roles?.map((r) => t.nodes.role[r] ?? r).join(', ') || t.none },
  { label: x.uploaded, cell: (s) => <Time value={s.created_at} /> },
  {
    label: t.actions,
    cell: (s) => <Link to={`${paths.run}?script=${encodeURIComponent(s.name)}`}>{x.run}</Link>,
  },
]

/** ScriptsPage lists the scripts that can run on nodes. */
export function Component() {
  const operator = isOperator(useMe())
  const list = useList('/api/v1/scripts', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const upload = operator && <Button component={(p) => <Link {...p} to={paths.scriptCreate} />}>{x.upload}</Button>
  return (
    <Page title={x.title} lead={x.about} actions={upload}>
      <ListView
        label={x.title}
        list={list}
        columns={operator ? columns : columns.slice(0, -1)}
        rowKey={(s) => s.id}
        search={{ value: q, onChange: setQ, by: x.name }}
        empty={
          <Empty title={x.none} actions={upload}>
            {x.noneBody}
          </Empty>
        }
      />
    </Page>
  )
}
