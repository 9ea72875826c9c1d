import { TextInput, ToolbarItem } from '@patternfly/react-core'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { quote } from '@/form/request'
import { lasted } from '@/format'
import { type ListOptions, useDebounced, useList } from '@/lists'
import { Named } from '@/names'
import { paths } from '@/paths'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'

type Job = Schemas['Job']

const x = t.jobs

/** jobStates are the states that a list of jobs can be limited to. */
export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'timed_out', 'canceled', 'lost'] as const

export const options = { filters: ['state', 'action', 'node'], sort: '-created_at' } satisfies ListOptions

/** whatOf is what a job runs, in few words. */
export function whatOf(j: Job): string {
  const argv = (j.args as { argv?: string[] } | undefined)?.argv
  return j.action === 'command' && argv ? argv.map(quote).join(' ') : j.step || j.action
}

const columns: Column<Job>[] = [
  {
    label: x.one,
    cell: (j) => (
      <Link to={paths.job(j.id)}>
        <bdi className="atoll-clamp">{whatOf(j)}</bdi>
      </Link>
    ),
  },
  { label: x.node, cell: (j) => <Named kind="node" id={j.node_id || j.target_node_id} /> },
  { label: x.state, cell: (j) => <StateLabel state={j.state} reason={j.error} /> },
  { label: x.exit, numeric: true, wide: true, cell: (j) => (j.finished_at ? j.exit_code : t.none) },
  {
    label: x.took,
    wide: true,
    cell: (j) => (j.started_at ? lasted(j.started_at, j.finished_at) : t.none),
  },
  { label: x.created, sort: 'created_at', cell: (j) => <Time value={j.created_at} /> },
]

/** Jobs lists jobs: all of them, or those for which the conditions hold. */
export function Jobs({ always, none }: { always?: readonly string[]; none?: string }) {
  const list = useList('/api/v1/jobs', { ...options, always })
  const [action, setAction] = useDebounced(list.filter('action'), (v) => list.setFilter('action', v.trim()))
  return (
    <ListView
      label={x.title}
      list={list}
      columns={columns}
      rowKey={(j) => j.id}
      tools={
        <>
          <FilterSelect
            label={x.state}
            value={list.filter('state')}
            options={jobStates}
            onChange={(v) => list.setFilter('state', v)}
          />
          <ToolbarItem>
            <TextInput aria-label={x.action} placeholder={x.action} value={action} onChange={(_, v) => setAction(v)} />
          </ToolbarItem>
        </>
      }
      empty={<Empty title={none ?? x.none}>{none ? undefined : x.noneBody}</Empty>}
    />
  )
}
