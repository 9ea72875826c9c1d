import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useNavigate, useSearchParams } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { SelectField } from '@/form/fields'
import { flag, type Request } from '@/form/request'
import { listQuery } from '@/lists'
import { loadProjects, useProjects } from '@/pages/deployments/project'
import { paths } from '@/paths'
import { isOperator, roleOn, useMe } from '@/session'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { eventsOf, Fields, type Values } from './form'
import { SecretOnce } from './SecretOnce'

const accountsQuery = listQuery('/api/v1/accounts', { limit: 500 })

export async function loader() {
  await Promise.all([loadProjects(), queries.ensureQueryData(accountsQuery)])
  return null
}

// Whose events are sent: the value of the choice says the kind, and which.
const scopeOf = (v: Values) => {
  const [kind, id] = v.scope.split('/')
  return kind === 'project' ? { project: id } : kind === 'account' ? { account: id } : {}
}

const bodyOf = (v: Values): Schemas['WebhookCreate'] => ({
  ...scopeOf(v),
  name: v.name,
  url: v.url,
  events: eventsOf(v.events),
})

function request(v: Values): Request {
  const { project, account } = scopeOf(v)
  return {
    method: 'POST',
    path: '/webhooks',
    body: bodyOf(v),
    cli: [
      'webhook create',
      v.name,
      flag('url', v.url),
      ...eventsOf(v.events).map((e) => flag('event', e)),
      flag('project', project),
      flag('account', account),
      !project && !account && '--installation',
    ],
  }
}

/** WebhookCreatePage makes a webhook, and shows its secret once. */
export function Component() {
  const me = useMe()
  const navigate = useNavigate()
  const [params] = useSearchParams()
  const [made, setMade] = useState<Schemas['WebhookSecret']>()
  const projects = useProjects().filter((p) => roleOn(me, { account_id: p.account_id, project_id: p.id }) === 'admin')
  const accounts = (useSuspenseQuery(accountsQuery).data?.items ?? []).filter(
    (a) => roleOn(me, { account_id: a.id }) === 'admin',
  )
  const scopes = [
    ...projects.map((p) => ({ value: `project/${p.id}`, label: t.webhooks.ofProject(p.name) })),
    ...accounts.map((a) => ({ value: `account/${a.id}`, label: t.webhooks.ofAccount(a.name) })),
    ...(isOperator(me) ? [{ value: 'installation/', label: t.webhooks.ofInstallation }] : []),
  ]
  const wanted = `project/${params.get('project')}`
  const first = scopes.find((s) => s.value === wanted) ?? scopes[0]
  if (made)
    return (
      <Page title={made.name}>
        <SecretOnce secret={made.secret} to={paths.webhook(made.id)} />
      </Page>
    )
  return (
    <Page title={t.webhooks.create} lead={t.webhooks.about}>
      <FormPage<Values>
        defaults={{ scope: first?.value ?? '', name: '', url: '', events: 'deployment.state\ndeployment.expires' }}
        request={request}
        submit={t.create}
        onCancel={() => navigate(paths.webhooks)}
        onSubmit={async (v, key) => {
          const { data } = await client.POST('/api/v1/webhooks', {
            params: { header: { 'Idempotency-Key': key } },
            body: bodyOf(v),
          })
          setMade(data)
        }}
      >
        <SelectField<Values> name="scope" label={t.webhooks.scope} options={scopes} required />
        <Fields />
      </FormPage>
    </Page>
  )
}
