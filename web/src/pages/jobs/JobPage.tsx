import { Button, CodeBlock, CodeBlockCode, Title } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { api, client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { newKey } from '@/form/useSubmit'
import { at, lasted } from '@/format'
import { JobLog } from '@/frame/JobLog'
import { toast } from '@/frame/toasts'
import { Named } from '@/names'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import { Copyable } from '@/ui/Copyable'
import { ErrorView } from '@/ui/ErrorView'
import { Facts } from '@/ui/Facts'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { whatOf } from './Jobs'

type Job = Schemas['Job']

const x = t.jobs
const jobQuery = (job: string) => api.queryOptions('get', '/api/v1/jobs/{job}', { params: { path: { job } } })

export const loader = ({ params }: LoaderFunctionArgs) => queries.ensureQueryData(jobQuery(params.job ?? ''))

// The actions that people run; others are steps of operations.
const own = ['noop', 'command', 'script']

/** againOf is the call that runs the same once more. */
export const againOf = (j: Job): Schemas['JobCreate'] => ({
  action: j.action,
  ...(j.args !== undefined && { args: j.args }),
  ...(j.script_id && { script: j.script_id }),
  ...(j.target_node_id && { node: j.target_node_id }),
  ...(j.target_role && { role: j.target_role as Schemas['JobCreate']['role'] }),
  ...(j.target_location_id && { location: j.target_location_id }),
  queue: j.queue,
  priority: j.priority,
  ...(j.key && { key: j.key, supersede: j.supersede }),
  timeout: j.timeout,
  attempts: j.attempts,
  idempotent: j.idempotent,
  run_as: j.run_as,
  retention: j.retention,
})

/** JobPage is one run of something on a node: its output as it comes, and what it gave. */
export function Component() {
  const id = useParams().job ?? ''
  const j = useSuspenseQuery(jobQuery(id)).data
  const operator = isOperator(useMe())
  const navigate = useNavigate()
  const [canceling, setCanceling] = useState(false)
  const over = Boolean(j.finished_at)
  const again = async () => {
    try {
      const params = { header: { 'Idempotency-Key': newKey() } }
      const { data } = await client.POST('/api/v1/jobs', { params, body: againOf(j) })
      toast('info', x.againOf(whatOf(j)))
      navigate(paths.job(data?.id ?? ''))
    } catch (e) {
      toast('danger', t.error.title, { body: (e as Error).message })
    }
  }
  const blockedAgain = !operator ? t.onlyOperators : own.includes(j.action) ? undefined : x.system
  const blockedCancel = !operator ? t.onlyOperators : over ? x.over : undefined
  return (
    <Page
      title={whatOf(j)}
      label={<StateLabel state={j.state} reason={j.error} />}
      lead={j.simulated ? x.simulated : undefined}
      actions={
        <div className="atoll-buttons">
          <Button
            variant="secondary"
            isAriaDisabled={blockedAgain !== undefined}
            title={blockedAgain}
            onClick={() => blockedAgain === undefined && again()}
          >
            {x.again}
          </Button>
          <Button
            variant="secondary"
            isDanger
            isAriaDisabled={blockedCancel !== undefined || j.cancel_asked}
            title={blockedCancel}
            onClick={() => blockedCancel === undefined && setCanceling(true)}
          >
            {x.cancel}
          </Button>
        </div>
      }
    >
      {j.error && <ErrorView error={new Error(j.error)} title={x.error} />}
      {j.cancel_asked && !over && <p role="status">{x.canceling}</p>}
      <section className="atoll-part">
        <JobFacts j={j} />
      </section>
      <section className="atoll-part">
        <Title headingLevel="h2">{x.output}</Title>
        <JobLog key={j.id} job={j.id} label={x.output} />
      </section>
      <Json title={x.result} value={j.result} />
      <Json title={x.args} value={j.args} />
      <Json title={x.stats} value={j.stats} />
      {canceling && (
        <Confirm
          title={`${x.cancel}: ${whatOf(j)}`}
          verb={x.cancel}
          danger
          onClose={() => setCanceling(false)}
          onConfirm={() => client.POST('/api/v1/jobs/{job}/cancel', { params: { path: { job: j.id } } })}
        />
      )}
    </Page>
  )
}

function JobFacts({ j }: { j: Job }) {
  const target = j.target_role && x.anyOf(t.nodes.role[j.target_role] ?? j.target_role)
  return (
    <Facts
      items={[
        [
          x.node,
          j.node_id || j.target_node_id ? <Named key="named" kind="node" id={j.node_id || j.target_node_id} /> : target,
        ],
        [x.action, j.action],
        [
          x.script,
          j.script_id && (
            <Link key="link" to={paths.script(j.script_id)}>
              {t.scripts.source}
            </Link>
          ),
        ],
        [x.schedule, j.schedule_id ? <Named key="named" kind="schedule" id={j.schedule_id} /> : undefined],
        [
          x.operation,
          j.operation_id ? (
            <Link key="link" to={paths.operation(j.operation_id)}>
              {t.details}
            </Link>
          ) : undefined,
        ],
        [x.exit, j.finished_at ? String(j.exit_code) : undefined],
        [x.created, j.created_at && at(j.created_at)],
        [x.began, j.started_at && at(j.started_at)],
        [x.ended, j.finished_at && at(j.finished_at)],
        [x.took, j.started_at && lasted(j.started_at, j.finished_at)],
        [x.attempt, x.attemptOf(j.attempt, j.attempts)],
        [x.timeout, j.timeout],
        [x.queue, j.queue],
        [x.priority, j.priority ? String(j.priority) : undefined],
        [x.runAs, j.run_as],
        [x.key, j.key || undefined],
        [x.id, <Copyable key="id" text={j.id} label={x.id} />],
      ]}
    />
  )
}

function Json({ title, value }: { title: string; value: unknown }) {
  if (value === undefined || value === null) return null
  return (
    <section className="atoll-part" aria-label={title}>
      <Title headingLevel="h2">{title}</Title>
      <CodeBlock>
        <CodeBlockCode>{JSON.stringify(value, null, 2)}</CodeBlockCode>
      </CodeBlock>
    </section>
  )
}
