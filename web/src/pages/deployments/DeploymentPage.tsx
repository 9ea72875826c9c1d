import {
  ActionList,
  ActionListGroup,
  ActionListItem,
  Alert,
  Button,
  Tab,
  Tabs,
  TabTitleText,
} from '@patternfly/react-core'
import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { Link, type LoaderFunctionArgs, useNavigate, useParams, useSearchParams } from 'react-router'
import { ApiError, api, client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { duration } from '@/form/DurationField'
import { Task } from '@/frame/TaskDrawer'
import { NotFound } from '@/pages/NotFound'
import { paths } from '@/paths'
import { isStaff, roleOn, useMe } from '@/session'
import { t } from '@/text'
import { Facts } from '@/ui/Facts'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { ActionLog } from './ActionLog'
import { type Ask, deploymentActions, restore, tell, whyNot } from './actions'
import { CiPanel } from './CiPanel'
import { ConfigView } from './ConfigView'
import { Dialogs } from './Dialogs'
import { deploymentQuery, operationQuery, useDefaults } from './queries'
import { DeploymentState, isPending, Links, reasonOf } from './state'

type Deployment = Schemas['Deployment']

export async function loader({ params }: LoaderFunctionArgs) {
  await queries.ensureQueryData(deploymentQuery(params.deployment ?? ''))
  return null
}

/** DeploymentPage is all about one deployment. */
export function Component() {
  const { data: d, error } = useSuspenseQuery(deploymentQuery(useParams().deployment ?? ''))
  const role = roleOn(useMe(), { account_id: d.account_id, project_id: d.project_id })
  const [ask, setAsk] = useState<Ask>()
  const [params, setParams] = useSearchParams()
  const tab = params.get('tab') ?? 'overview'
  const project = useQuery(
    api.queryOptions('get', '/api/v1/projects/{project}', { params: { path: { project: d.project_id } } }),
  )
  const tabs: [string, string, () => ReactNode][] = [
    ['overview', t.deployments.overview, () => <Overview d={d} project={project.data?.name} />],
    ['configuration', t.deployments.configuration, () => <Configuration d={d} />],
    ['log', t.deployments.log, () => <ActionLog deployment={d.id} />],
    ['ci', t.deployments.ci, () => project.data && <CiPanel project={project.data} />],
  ]
  // Somebody deleted it while it was shown.
  if (error instanceof ApiError && error.problem.status === 404) return <NotFound />
  return (
    <Page
      title={d.name}
      label={<DeploymentState d={d} short />}
      lead={
        <Link to={`${paths.deployments}?project=${d.project_id}`}>
          ‹ {t.deployments.title}
          {project.data && ` – ${project.data.name}`}
        </Link>
      }
      actions={<Buttons d={d} role={role} onAsk={setAsk} />}
    >
      <Health d={d} role={role} />
      <Tabs
        activeKey={tab}
        onSelect={(_, k) => setParams({ tab: String(k) }, { replace: true })}
        aria-label={t.deployments.tabs}
        mountOnEnter
        unmountOnExit
        inset={{ default: 'insetNone' }}
      >
        {tabs.map(([key, title, body]) => (
          <Tab key={key} eventKey={key} title={<TabTitleText>{title}</TabTitleText>}>
            <div className="atoll-tab">{key === tab && body()}</div>
          </Tab>
        ))}
      </Tabs>
      {ask && <Dialogs ask={ask} onClose={() => setAsk(undefined)} />}
    </Page>
  )
}

function Buttons({ d, role, onAsk }: { d: Deployment; role?: string; onAsk: (a: Ask) => void }) {
  const navigate = useNavigate()
  const not = whyNot(d, role)
  const archived = d.state === 'Archived'
  const first = archived
    ? { text: t.deployments.restore, why: not.restore, go: () => tell(restore(d)) }
    : { text: t.deployments.archive, why: not.archive, go: () => onAsk({ what: 'archive', d }) }
  const button = (text: string, why: string | undefined, go: () => void, primary = false) => (
    <ActionListItem>
      <Button
        variant={primary ? 'primary' : 'secondary'}
        isAriaDisabled={why !== undefined}
        title={why}
        onClick={() => why === undefined && go()}
      >
        {text}
      </Button>
    </ActionListItem>
  )
  return (
    <ActionList>
      <ActionListGroup>
        {button(t.deployments.edit, not.edit, () => void navigate(paths.deploymentEdit(d.id)), !archived)}
        {button(first.text, first.why, first.go, archived)}
        <ActionListItem>
          <Menu
            name={t.actionsOf(d.name)}
            actions={deploymentActions(d, role, navigate, onAsk).filter(
              (a) => a.label !== t.details && a.label !== t.deployments.edit && a.label !== first.text,
            )}
          />
        </ActionListItem>
      </ActionListGroup>
    </ActionList>
  )
}

// What is wrong, and what is under way: the first things to know.
function Health({ d, role }: { d: Deployment; role?: string }) {
  const reason = reasonOf(d)
  return (
    <div className="atoll-stack">
      {reason && !isPending(d) && (
        <Alert
          variant={d.state === 'Failure' ? 'danger' : 'warning'}
          isInline
          title={t.deployments.reason[d.reason ?? ''] ?? reason}
          actionLinks={role !== 'reader' && role !== undefined && <RetryLink d={d} />}
        >
          <p className="atoll-text">{reason}</p>
          {d.script && <p>{t.deployments.script(d.script, d.exit_code ?? 0)}</p>}
        </Alert>
      )}
      {d.check_error && (
        <Alert variant="warning" isInline title={t.deployments.checkError}>
          <p className="atoll-text">{d.check_error}</p>
        </Alert>
      )}
      {isPending(d) && d.operation_id && <Running id={d.operation_id} />}
      {d.waiting_id && (
        <>
          <h2 className="atoll-subtitle">{t.deployments.waiting}</h2>
          <Running id={d.waiting_id} />
        </>
      )}
    </div>
  )
}

function Running({ id }: { id: string }) {
  const operation = useQuery(operationQuery(id))
  return operation.data ? <Task o={operation.data} /> : null
}

// The newest operation, if it failed, may be tried again.
function RetryLink({ d }: { d: Deployment }) {
  const last = useQuery(
    api.queryOptions('get', '/api/v1/operations', {
      params: { query: { filter: [`subject=${d.id}`], sort: '-created_at', limit: 1 } },
    }),
  ).data?.items[0]
  if (last?.state !== 'failed' && last?.state !== 'canceled') return null
  const path = { operation: last.id }
  return (
    <Button
      variant="link"
      isInline
      onClick={() => tell(client.POST('/api/v1/operations/{operation}/retry', { params: { path } }))}
    >
      {t.deployments.retry}
    </Button>
  )
}

function Overview({ d, project }: { d: Deployment; project?: string }) {
  const me = useMe()
  const labels = Object.entries(d.labels ?? {}).map(([k, v]) => `${k}=${v}`)
  return (
    <Facts
      items={[
        [t.deployments.links, <Links key="l" d={d} />],
        [
          t.deployments.project,
          <Link key="p" to={paths.project(d.project_id)}>
            {project ?? d.project_id}
          </Link>,
        ],
        [t.deployments.owner, d.owner || null],
        [t.deployments.comment, d.comment || null],
        [t.deployments.labels, labels.length ? labels.join('\n') : undefined],
        [
          t.deployments.expires,
          d.expires_at ? (
            <Time key="e" value={d.expires_at} />
          ) : d.state === 'Archived' ? undefined : (
            t.deployments.never
          ),
        ],
        [t.deployments.ttl, d.ttl ? duration(d.ttl) : t.deployments.ttlForever],
        [t.deployments.created, <Time key="c" value={d.created_at} />],
        [t.deployments.changed, <Time key="s" value={d.status_at} />],
        [t.deployments.deployed, <Time key="d" value={d.deployed_at} />],
        [t.deployments.checked, <Time key="h" value={d.checked_at} />],
        [t.deployments.runner, isStaff(me) && d.runner_id ? <Runner key="r" id={d.runner_id} /> : undefined],
      ]}
    />
  )
}

function Configuration({ d }: { d: Deployment }) {
  // Who may only look is not told all defaults; then there are no words for what was added.
  const defaults = useDefaults(d.project_id, JSON.stringify(d.deployment)).data
  return (
    <div className="atoll-stack">
      <ConfigView
        title={t.config.deployment}
        effective={d.effective_deployment}
        own={d.deployment}
        defaults={defaults?.deployment}
      />
      <ConfigView
        title={t.config.application}
        effective={d.effective_application}
        own={d.application}
        defaults={defaults?.application}
      />
    </div>
  )
}

function Runner({ id }: { id: string }) {
  const node = useQuery(api.queryOptions('get', '/api/v1/nodes/{node}', { params: { path: { node: id } } })).data
  return <Link to={paths.node(id)}>{node?.name ?? id}</Link>
}
