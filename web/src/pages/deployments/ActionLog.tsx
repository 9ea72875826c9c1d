import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api, type Schemas } from '@/api/client'
import { lasted } from '@/format'
import { JobLog } from '@/frame/JobLog'
import { useList } from '@/lists'
import { t } from '@/text'
import { ChangeList } from '@/ui/ChangeList'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { between } from './between'

type Action = Schemas['Action']

const columns: Column<Action>[] = [
  { label: t.history.action, cell: (a) => <What a={a} /> },
  { label: t.history.outcome, cell: (a) => <StateLabel state={a.outcome} reason={a.message} /> },
  { label: t.history.who, cell: (a) => <bdi>{a.actor === 'system' ? t.history.system : a.actor}</bdi> },
  { label: t.history.changes, wide: true, cell: (a) => <Changes a={a} /> },
  { label: t.history.exit, wide: true, cell: (a) => (a.script ? `${a.script}: ${a.exit_code}` : t.none) },
  { label: t.history.when, cell: (a) => <Time value={a.started_at} /> },
  {
    label: t.history.lasted,
    wide: true,
    cell: (a) => (a.finished_at && a.action !== 'health' ? lasted(a.started_at, a.finished_at) : t.none),
  },
]

function What({ a }: { a: Action }) {
  const state = (s?: string) => t.state[s ?? ''] ?? s ?? t.none
  if (a.action === 'health') return <>{t.history.health(state(a.from), state(a.to))}</>
  return <>{t.history.verbOf(a.action)}</>
}

function Changes({ a }: { a: Action }) {
  const n = (a.application?.length ?? 0) + (a.deployment?.length ?? 0)
  return <>{n ? t.history.changesOf(n) : t.none}</>
}

const options = (deployment: string) =>
  ({
    always: [`deployment=${deployment}`],
    filters: ['outcome'],
    sort: '-created_at',
    limit: 20,
    prefix: 'log.',
  }) as const

/** ActionLog is what was done to a deployment, by whom, and what became of it; changes of health among it. */
export function ActionLog({ deployment }: { deployment: string }) {
  const list = useList('/api/v1/actions', options(deployment))
  const [chosen, setChosen] = useState(new Set<string>())
  const [comparing, setComparing] = useState(false)
  return (
    <>
      <ListView
        label={t.deployments.log}
        list={list}
        columns={columns}
        rowKey={(a) => a.id}
        selected={chosen}
        onSelect={setChosen}
        expand={(a) => <ActionDetails a={a} />}
        tools={
          <>
            <FilterSelect
              label={t.history.outcome}
              value={list.filter('outcome')}
              options={['succeeded', 'failed', 'canceled', 'running', 'waiting']}
              onChange={(v) => list.setFilter('outcome', v)}
            />
            <Button
              variant="secondary"
              isAriaDisabled={chosen.size !== 2}
              title={t.history.compareHelp}
              onClick={() => chosen.size === 2 && setComparing(true)}
            >
              {t.history.compare}
            </Button>
          </>
        }
        empty={<Empty title={t.deployments.noneYet} />}
      />
      {comparing && <Compare actions={list.items} chosen={chosen} onClose={() => setComparing(false)} />}
    </>
  )
}

function Compare({ actions, chosen, onClose }: { actions: Action[]; chosen: Set<string>; onClose: () => void }) {
  const application = between(actions, chosen, 'application')
  const deployment = between(actions, chosen, 'deployment')
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="compare-title">
      <ModalHeader title={t.history.compareTitle} labelId="compare-title" />
      <ModalBody>
        {application.length + deployment.length === 0 && t.history.same}
        <ChangeList title={t.config.deployment} changes={deployment} />
        <ChangeList title={t.config.application} changes={application} />
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{t.close}</Button>
      </ModalFooter>
    </Modal>
  )
}

function ActionDetails({ a }: { a: Action }) {
  return (
    <div className="atoll-stack">
      {a.message && <p className="atoll-text">{a.message}</p>}
      <ChangeList title={t.config.deployment} changes={a.deployment} />
      <ChangeList title={t.config.application} changes={a.application} />
      {a.operation_id ? (
        <OperationOutput operation={a.operation_id} />
      ) : (
        a.job_id && <JobLog job={a.job_id} label={t.history.outputOf(a.script ?? '')} />
      )}
    </div>
  )
}

// The scripts of an operation, in the order in which they ran; while it is under way,
// more of them appear.
function OperationOutput({ operation }: { operation: string }) {
  const jobs = useQuery(
    api.queryOptions('get', '/api/v1/operations/{operation}/jobs', { params: { path: { operation } } }),
  )
  if (!jobs.data) return null
  if (jobs.data.items.length === 0) return <p className="atoll-small">{t.history.noScript}</p>
  return jobs.data.items.map((j) => (
    <section key={j.id}>
      <h4 className="atoll-subtitle">
        {t.history.outputOf(scriptOf(j))} <StateLabel state={j.state} reason={j.error} />
      </h4>
      <JobLog job={j.id} label={t.history.outputOf(scriptOf(j))} />
    </section>
  ))
}

// Which control script a job runs is in its arguments.
const scriptOf = (j: Schemas['Job']) => (j.args as { script?: string } | undefined)?.script ?? j.step ?? j.action
