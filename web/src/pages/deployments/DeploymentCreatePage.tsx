import { Button, FormGroup, FormSelect, FormSelectOption } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useFormContext } from 'react-hook-form'
import { type LoaderFunctionArgs, useLocation, useNavigate, useSearchParams } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { FormPage } from '@/form/FormPage'
import { TextField } from '@/form/fields'
import { labelsOf } from '@/form/labels'
import { PlanButton } from '@/form/PlanView'
import { flag, type Request } from '@/form/request'
import { paths } from '@/paths'
import { roleOn, useMe } from '@/session'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { Page } from '@/ui/Page'
import { overridesOf } from './config'
import { ConfigFields, configFlags, MoreFields, masked, refusal, type Values } from './DeploymentForm'
import { nameProblem, suggestName } from './name'
import { loadProjects, type Project, remembered, useProjects } from './project'

export async function loader(_: LoaderFunctionArgs) {
  await loadProjects()
  return null
}

const bodyOf = (v: Values, project: string) => ({
  project,
  name: v.name,
  application: overridesOf(v.application),
  deployment: overridesOf(v.deployment),
  labels: labelsOf(v.labels),
  comment: v.comment || undefined,
  ttl: v.ttl || undefined,
})

function request(v: Values, project: Project): Request {
  const body = bodyOf(v, project.id)
  const { application, deployment } = body
  return {
    method: 'POST',
    path: '/deployments',
    body: { ...body, application: masked(application), deployment: masked(deployment) },
    cli: [
      'deployment create',
      v.name,
      flag('project', project.name),
      ...configFlags(deployment, '-deployment'),
      ...configFlags(application, ''),
      ...Object.entries(body.labels ?? {}).map(([k, x]) => flag('label', `${k}=${x}`)),
      flag('comment', body.comment),
      flag('ttl', body.ttl),
    ],
  }
}

const empty: Values = { name: '', application: [], deployment: [], labels: '', comment: '', ttl: '', owner: '' }

/** DeploymentCreatePage makes a deployment of a project that may be chosen. */
export function Component() {
  const me = useMe()
  const [params, setParams] = useSearchParams()
  const projects = useProjects().filter((p) => {
    const role = roleOn(me, { account_id: p.account_id, project_id: p.id })
    return role === 'writer' || role === 'admin'
  })
  const wanted = params.get('project') ?? remembered()
  const project = projects.find((p) => p.id === wanted) ?? (projects.length === 1 ? projects[0] : undefined)
  if (projects.length === 0)
    return (
      <Page title={t.deployments.create}>
        <Empty title={t.deployments.noProject}>{t.deployments.noProjectBody}</Empty>
      </Page>
    )
  return (
    <Page title={project ? t.deployments.createTitle(project.name) : t.deployments.create}>
      <div className="atoll-stack">
        {projects.length > 1 && (
          <FormGroup label={t.deployments.project} fieldId="project" className="atoll-form">
            <FormSelect id="project" value={project?.id ?? ''} onChange={(_, id) => setParams({ project: id })}>
              <FormSelectOption value="" label={t.deployments.pickProject} isPlaceholder />
              {projects.map((p) => (
                <FormSelectOption key={p.id} value={p.id} label={p.name} />
              ))}
            </FormSelect>
          </FormGroup>
        )}
        {project && <CreateForm key={project.id} project={project} />}
      </div>
    </Page>
  )
}

function CreateForm({ project }: { project: Project }) {
  const navigate = useNavigate()
  const from = useLocation().state as Partial<Values> | null // a copy of another one
  return (
    <FormPage<Values>
      defaults={{ ...empty, ...from }}
      request={(v) => request(v, project)}
      submit={t.create}
      secrets={['application', 'deployment']}
      showError={refusal}
      onCancel={() => navigate(paths.deployments)}
      onSubmit={async (v, key) => {
        const { data } = await client.POST('/api/v1/deployments', {
          params: { header: { 'Idempotency-Key': key } },
          body: bodyOf(v, project.id),
        })
        const o = data as Schemas['Operation']
        navigate(paths.deployment(o.subject_id))
      }}
      extra={(values, valid) => (
        <PlanButton
          valid={valid}
          ask={async () => {
            const { data } = await client.POST('/api/v1/deployments', {
              params: { query: { dry_run: true } },
              body: bodyOf(values(), project.id),
            })
            return data as unknown as Schemas['Plan']
          }}
        />
      )}
    >
      <NameField project={project} />
      <ConfigFields project={project} />
      <MoreFields owner={false} unset={t.deployments.ttlUnset} />
    </FormPage>
  )
}

// The name, with what is wrong with it while it is typed, and a valid one made of
// what was typed or pasted, such as the name of a branch.
function NameField({ project }: { project: Project }) {
  const { watch, setValue, trigger } = useFormContext<Values>()
  const name = watch('name')
  const problem = name ? nameProblem(name) : undefined
  const suggestion = useQuery({
    queryKey: ['name', name],
    queryFn: async () => (await suggestName(name)) ?? null,
    enabled: problem !== undefined,
  })
  const take = (valid: string) => {
    setValue('name', valid, { shouldDirty: true })
    void trigger('name')
  }
  const help = problem ?? (name ? t.deployments.address(`${name}.${project.base_domain}`) : t.deployments.nameHelp)
  return (
    <div>
      <TextField<Values>
        name="name"
        label={t.deployments.name}
        help={help}
        required
        autoFocus
        rules={{ validate: (v) => nameProblem(v as string) ?? true }}
      />
      {problem && suggestion.data && (
        <Button variant="link" isInline onClick={() => take(suggestion.data as string)}>
          {t.deployments.takeName(suggestion.data)}
        </Button>
      )}
    </div>
  )
}
