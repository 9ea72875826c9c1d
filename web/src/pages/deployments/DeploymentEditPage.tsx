import { Alert } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { api, client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { same } from '@/form/Conflict'
import { FormPage } from '@/form/FormPage'
import { labelsOf, textOf } from '@/form/labels'
import { PlanButton } from '@/form/PlanView'
import { flag, type Request } from '@/form/request'
import { toast } from '@/frame/toasts'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { overridesOf, ownOf } from './config'
import { ConfigFields, configFlags, MoreFields, masked, refusal, type Values } from './DeploymentForm'
import { OwnList } from './OwnList'
import { deploymentQuery } from './queries'
import { isPending } from './state'

type Deployment = Schemas['Deployment']

const projectQuery = (id: string) =>
  api.queryOptions('get', '/api/v1/projects/{project}', { params: { path: { project: id } } })

export async function loader({ params }: LoaderFunctionArgs) {
  const d = await queries.ensureQueryData(deploymentQuery(params.deployment ?? ''))
  await queries.ensureQueryData(projectQuery(d.project_id))
  return null
}

const valuesOf = (d: Deployment): Values => ({
  name: d.name,
  application: ownOf(d.application),
  deployment: ownOf(d.deployment),
  labels: textOf(d.labels),
  comment: d.comment ?? '',
  ttl: d.ttl ?? '0s',
  owner: d.owner ?? '',
})

// Only what is different is sent: another configuration needs an operation, and a time
// to live begins anew.
function bodyOf(v: Values, d: Values): Schemas['DeploymentUpdate'] {
  const config = (k: 'application' | 'deployment') =>
    same(overridesOf(v[k]), overridesOf(d[k])) ? undefined : { replace: overridesOf(v[k]) }
  return {
    application: config('application'),
    deployment: config('deployment'),
    labels: v.labels === d.labels ? undefined : labelsOf(v.labels),
    comment: v.comment === d.comment ? undefined : v.comment,
    owner: v.owner === d.owner ? undefined : v.owner,
    ttl: v.ttl === d.ttl ? undefined : v.ttl,
  }
}

function request(v: Values, was: Values, d: Deployment, project: string): Request {
  const body = bodyOf(v, was)
  const config = (k: 'application' | 'deployment', suffix: '' | '-deployment') => {
    const now = overridesOf(v[k])
    const old = overridesOf(was[k])
    const before = new Map(old.map((o) => [o.key, o]))
    const kept = new Set(now.map((o) => o.key))
    const changed = now.filter((o) => !same(before.get(o.key), o))
    const ended = old.filter((o) => !kept.has(o.key))
    return [...configFlags(changed, suffix), ...ended.map((o) => flag(`unset${suffix}`, o.key))]
  }
  const shown = (c?: { replace?: Schemas['Override'][] | null }) => c && { replace: masked(c.replace ?? []) }
  return {
    method: 'PATCH',
    path: `/deployments/${d.id}`,
    body: { ...body, application: shown(body.application), deployment: shown(body.deployment) },
    cli: [
      'deployment update',
      d.name,
      flag('project', project),
      ...config('deployment', '-deployment'),
      ...config('application', ''),
      ...Object.entries(body.labels ?? {}).map(([k, x]) => flag('label', `${k}=${x}`)),
      body.comment !== undefined && `--comment '${body.comment.replaceAll("'", `'\\''`)}'`,
      flag('owner', body.owner),
      flag('ttl', body.ttl),
    ],
  }
}

/** DeploymentEditPage changes a deployment: its configuration, and what people say of it. */
export function Component() {
  const navigate = useNavigate()
  const id = useParams().deployment ?? ''
  const { data: d } = useSuspenseQuery(deploymentQuery(id))
  const { data: project } = useSuspenseQuery(projectQuery(d.project_id))
  const values = valuesOf(d)
  const path = { deployment: d.id }
  const back = paths.deployment(d.id)
  return (
    <Page title={t.deployments.editTitle(d.name)}>
      {isPending(d) && (
        <Alert
          variant="info"
          isInline
          title={t.deployments.willWait(t.deployments.doing[d.action ?? ''] ?? t.deployments.underWay)}
        />
      )}
      {d.state === 'Archived' && <Alert variant="info" isInline title={t.deployments.isArchived} />}
      <FormPage<Values>
        defaults={values}
        edit={{
          version: d.version,
          reload: async () => {
            const now = await queries.fetchQuery({ ...deploymentQuery(id), staleTime: 0 })
            return { version: now.version, values: valuesOf(now) }
          },
          labels: {
            application: t.config.application,
            deployment: t.config.deployment,
            labels: t.deployments.labels,
            comment: t.deployments.comment,
            owner: t.deployments.owner,
            ttl: t.deployments.ttl,
          },
          same: { application: sameOwn, deployment: sameOwn },
          show: { application: (v) => <OwnList list={v} />, deployment: (v) => <OwnList list={v} /> },
        }}
        request={(v) => request(v, values, d, project.name)}
        submit={t.save}
        secrets={['application', 'deployment']}
        showError={refusal}
        onCancel={() => navigate(back)}
        onSubmit={async (v, _, version) => {
          const body = bodyOf(v, valuesOf(await queries.ensureQueryData(deploymentQuery(id))))
          await client.PATCH('/api/v1/deployments/{deployment}', { params: { path, header: ifMatch(version) }, body })
          toast(
            'success',
            body.application || body.deployment ? t.deployments.updated(d.name) : t.deployments.saved(d.name),
          )
          navigate(back)
        }}
        extra={(v, valid) => (
          <PlanButton
            valid={valid}
            ask={async () => {
              const { data } = await client.PATCH('/api/v1/deployments/{deployment}', {
                params: { path, query: { dry_run: true } },
                body: bodyOf(v(), values),
              })
              return data as unknown as Schemas['Plan']
            }}
          />
        )}
      >
        <ConfigFields project={project} />
        <MoreFields owner />
      </FormPage>
    </Page>
  )
}

const sameOwn = (a: Values['application'], b: Values['application']) => same(overridesOf(a), overridesOf(b))
