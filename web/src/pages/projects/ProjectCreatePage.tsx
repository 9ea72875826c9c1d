import { useSuspenseQuery } from '@tanstack/react-query'
import { useNavigate } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { SelectField } from '@/form/fields'
import type { Request } from '@/form/request'
import { listQuery } from '@/lists'
import { paths } from '@/paths'
import { roleOn, useChosen, useMe } from '@/session'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { changeOf, Fields, flagsOf, fresh, type Values } from './form'

const accountsQuery = listQuery('/api/v1/accounts', { limit: 500 })

export async function loader() {
  await queries.ensureQueryData(accountsQuery)
  return null
}

const bodyOf = (v: Values): Schemas['ProjectCreate'] => ({ account: v.account, ...changeOf(v, fresh) })

const request = (v: Values): Request => {
  const { name = '', ...rest } = changeOf(v, fresh)
  return {
    method: 'POST',
    path: '/projects',
    body: bodyOf(v),
    cli: ['project create', name, `--account ${v.account}`, ...flagsOf(rest)],
  }
}

/** ProjectCreatePage makes a project. */
export function Component() {
  const me = useMe()
  const navigate = useNavigate()
  const chosen = useChosen()
  const accounts = useSuspenseQuery(accountsQuery).data?.items ?? []
  const mine = accounts.filter((a) => roleOn(me, { account_id: a.id }) === 'admin')
  const account = mine.find((a) => a.id === chosen.account) ?? mine[0]
  return (
    <Page title={t.projects.create} lead={t.projects.about}>
      <FormPage<Values>
        defaults={{ ...fresh, account: account?.id ?? '' }}
        request={request}
        submit={t.create}
        onCancel={() => navigate(paths.projects)}
        onSubmit={async (v, key) => {
          const { data } = await client.POST('/api/v1/projects', {
            params: { header: { 'Idempotency-Key': key } },
            body: bodyOf(v),
          })
          if (data) navigate(`${paths.project(data.id)}?tab=scripts`)
        }}
      >
        {mine.length > 1 && (
          <SelectField<Values>
            name="account"
            label={t.scope.account}
            required
            options={mine.map((a) => ({ value: a.id, label: a.name }))}
          />
        )}
        <Fields named />
      </FormPage>
    </Page>
  )
}
