import { Card, CardBody } from '@patternfly/react-core'
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon'
import CircleIcon from '@patternfly/react-icons/dist/esm/icons/outlined-circle-icon'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { Timeline } from '@/frame/Timeline'
import { useAccount, WithAccount } from '@/frame/WithAccount'
import { listQuery } from '@/lists'
import { CloudspaceCard } from '@/pages/cloudspaces/CloudspaceCard'
import { isNear, QuotaBar, useQuota } from '@/pages/usage/QuotaBars'
import { paths } from '@/paths'
import { t } from '@/text'
import { Part } from '@/ui/Part'

const x = t.tenantHome

/** TenantHome is where a tenant begins: what he has, what runs out, what happened, and the first steps while there is nothing. */
export function TenantHome() {
  return <WithAccount>{(a) => <Account key={a.id} id={a.id} />}</WithAccount>
}

function Account({ id }: { id: string }) {
  const inside = [`account=${id}`]
  const cloudspaces = useQuery(listQuery('/api/v1/cloudspaces', { limit: 50, sort: 'name', filter: inside })).data
    ?.items
  const near = useQuota({ account: id }).data?.items.filter(isNear) ?? []
  const { accounts } = useAccount()
  const name = accounts.find((a) => a.id === id)?.name
  if (!cloudspaces) return <p>{t.loading}</p>
  return (
    <>
      <FirstSteps account={id} cloudspaces={cloudspaces.length} />
      {near.length > 0 && (
        <Part title={x.near} actions={<Link to={paths.usage}>{t.usage.title}</Link>}>
          <div className="atoll-grid">
            {near.map((q) => (
              <QuotaBar key={q.resource} q={q} of={name} />
            ))}
          </div>
        </Part>
      )}
      {cloudspaces.length > 0 && (
        <Part title={x.cloudspaces} actions={<Link to={paths.cloudspaces}>{x.all}</Link>}>
          <div className="atoll-grid">
            {cloudspaces.slice(0, 12).map((c) => (
              <CloudspaceCard key={c.id} c={c} />
            ))}
          </div>
        </Part>
      )}
      <Part title={x.events} actions={<Link to={paths.events}>{x.all}</Link>}>
        <Timeline filter={`account=${id}`} first={10} />
      </Part>
    </>
  )
}

/** FirstSteps leads to a machine that one can log in to; gone when all is done. */
function FirstSteps({ account, cloudspaces }: { account: string; cloudspaces: number }) {
  const one = { limit: 1, filter: [`account=${account}`] }
  const keys = useQuery(listQuery('/api/v1/ssh-keys', one)).data
  const machines = useQuery(listQuery('/api/v1/machines', one)).data
  const forwards = useQuery(listQuery('/api/v1/port-forwards', one)).data
  if (!keys || !machines || !forwards) return null
  const steps = [
    { label: x.steps.cloudspace, to: paths.cloudspaceCreate, done: cloudspaces > 0 },
    { label: x.steps.key, to: paths.sshKeys, done: keys.items.length > 0 },
    { label: x.steps.machine, to: paths.machineCreate, done: machines.items.length > 0 },
    { label: x.steps.forward, to: paths.portForwards, done: forwards.items.length > 0 },
  ]
  // Who has a machine knows the way.
  if (steps.every((s) => s.done) || (steps[2]?.done && steps[3]?.done)) return null
  return (
    <Part title={x.first}>
      <Card isCompact>
        <CardBody>
          <ol className="atoll-steps">
            {steps.map((s) => (
              <li key={s.to}>
                {s.done ? <CheckCircleIcon aria-label={x.done} /> : <CircleIcon aria-hidden />}{' '}
                {s.done ? <s>{s.label}</s> : <Link to={s.to}>{s.label}</Link>}
              </li>
            ))}
          </ol>
        </CardBody>
      </Card>
    </Part>
  )
}
