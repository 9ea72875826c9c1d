import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { listLoader, useDebounced, useList } from '@/lists'
import { part, paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { pauseAction } from './actions'
import { ScheduleDelete } from './ScheduleDelete'
import { type Schedule, Where, whatOf, whenOf } from './schedule'

const x = t.schedules
const options = { search: 'name' } as const

export const loader = listLoader('/api/v1/schedules', options)

const columns: Column<Schedule>[] = [
  { label: x.name, cell: (s) => <Link to={paths.schedule(s.id)}>{s.name}</Link> },
  { label: x.what, cell: (s) => <bdi className="atoll-clamp">{whatOf(s)}</bdi> },
  { label: x.where, wide: true, cell: (s) => <Where s={s} /> },
  { label: x.when, wide: true, cell: whenOf },
  { label: x.last, wide: true, cell: (s) => <Time value={s.last_at} /> },
  { label: x.next, cell: (s) => (s.paused ? <StateLabel state="paused" /> : <Time value={s.next_at} />) },
]

/** SchedulesPage lists what runs again and again. */
export function Component() {
  const blocked = isOperator(useMe()) ? undefined : t.onlyOperators
  const navigate = useNavigate()
  const list = useList('/api/v1/schedules', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const [deleting, setDeleting] = useState<Schedule>()
  const create = !blocked && <Button component={(p) => <Link {...p} to={paths.scheduleCreate} />}>{x.create}</Button>
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(s) => s.id}
        search={{ value: q, onChange: setQ, by: x.name }}
        empty={
          <Empty title={x.none} actions={create}>
            {x.noneBody}
          </Empty>
        }
        actions={(s) => (
          <Menu
            name={t.actionsOf(s.name)}
            actions={[
              pauseAction(s, blocked),
              { label: t.edit, blocked, onClick: () => navigate(part(paths.schedule(s.id), 'edit')) },
              { label: t.delete, danger: true, blocked, onClick: () => setDeleting(s) },
            ]}
          />
        )}
      />
      {deleting && <ScheduleDelete s={deleting} onClose={() => setDeleting(undefined)} />}
    </Page>
  )
}
