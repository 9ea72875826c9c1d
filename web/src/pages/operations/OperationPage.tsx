import { Stack, StackItem, Title } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { Link, type LoaderFunctionArgs, useParams } from 'react-router'
import { api, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { lasted } from '@/format'
import { Task } from '@/frame/TaskDrawer'
import { listLoader, useList } from '@/lists'
import { Named } from '@/names'
import { pathOf, paths } from '@/paths'
import { seesNodes, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { Facts } from '@/ui/Facts'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'

type Job = Schemas['Job']

const x = t.operations
const query = (operation: string) =>
  api.queryOptions('get', '/api/v1/operations/{operation}', { params: { path: { operation } } })
const jobsOf = (operation: string) => ({ always: [`operation=${operation}`], filters: ['state'], limit: 100 })

export async function loader(args: LoaderFunctionArgs) {
  const id = args.params.operation ?? ''
  listLoader('/api/v1/jobs', jobsOf(id))(args)
  return queries.ensureQueryData(query(id))
}

const columns: Column<Job>[] = [
  { label: t.jobs.one, cell: (j) => <Link to={paths.job(j.id)}>{j.step || j.action}</Link> },
  { label: t.nodes.one, cell: (j) => <Named kind="node" id={j.node_id || j.target_node_id} /> },
  { label: x.state, cell: (j) => <StateLabel state={j.state} reason={j.error} /> },
  { label: t.jobs.exit, numeric: true, wide: true, cell: (j) => (j.finished_at ? j.exit_code : t.none) },
  {
    label: t.jobs.output,
    cell: (j) => <span className="atoll-text atoll-clamp">{j.error || j.output || t.none}</span>,
  },
]

/** OperationPage shows one operation: its steps, its jobs, and what it gave on each node. */
export function Component() {
  const id = useParams().operation ?? ''
  const staff = seesNodes(useMe())
  const o = useSuspenseQuery(query(id)).data
  const list = useList('/api/v1/jobs', jobsOf(id))
  const to = pathOf(o.subject_kind, o.subject_id)
  return (
    <Page title={t.tasks.name(o.kind, o.subject_name)} label={<StateLabel state={o.state} />}>
      <Stack hasGutter>
        <StackItem>
          <Task o={o} />
        </StackItem>
        <StackItem>
          <Facts
            items={[
              [
                x.subject,
                to ? (
                  <Link key="subject" to={to}>
                    {o.subject_name || o.subject_id}
                  </Link>
                ) : (
                  o.subject_name
                ),
              ],
              [x.kind, o.kind],
              [
                x.step,
                o.finished_at ? undefined : t.tasks.step(o.step_name ?? '', Math.min(o.step + 1, o.steps), o.steps),
              ],
              [x.began, <Time key="began" value={o.created_at} />],
              [x.took, o.created_at && lasted(o.created_at, o.finished_at)],
              [x.deadline, o.finished_at ? undefined : <Time key="deadline" value={o.deadline} />],
              [x.error, o.error || undefined],
              [
                x.retryOf,
                o.retry_of && (
                  <Link key="link" to={paths.operation(o.retry_of)}>
                    {x.retryOf}
                  </Link>
                ),
              ],
              [x.request, o.request_id || undefined],
            ]}
          />
        </StackItem>
        {staff && (
          <StackItem>
            <Title headingLevel="h2">{t.jobs.title}</Title>
            <ListView
              label={t.jobs.title}
              list={list}
              columns={columns}
              rowKey={(j) => j.id}
              tools={
                <FilterSelect
                  label={x.state}
                  value={list.filter('state')}
                  options={['queued', 'leased', 'running', 'succeeded', 'failed', 'timed_out', 'canceled', 'lost']}
                  onChange={(v) => list.setFilter('state', v)}
                />
              }
              empty={<Empty title={x.noJobs} />}
            />
          </StackItem>
        )}
      </Stack>
    </Page>
  )
}
