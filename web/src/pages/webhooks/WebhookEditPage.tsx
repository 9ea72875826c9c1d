import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { client, ifMatch } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { flag } from '@/form/request'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { eventsOf, Fields, type Values, valuesOf } from './form'
import { webhookQuery } from './queries'

export async function loader({ params }: LoaderFunctionArgs) {
  await queries.ensureQueryData(webhookQuery(params.webhook ?? ''))
  return null
}

const bodyOf = (v: Values) => ({ name: v.name, url: v.url, events: eventsOf(v.events) })

/** WebhookEditPage changes where a webhook sends what. */
export function Component() {
  const { data: w } = useSuspenseQuery(webhookQuery(useParams().webhook ?? ''))
  const navigate = useNavigate()
  const back = paths.webhook(w.id)
  return (
    <Page title={`${t.edit}: ${w.name}`}>
      <FormPage<Values>
        defaults={valuesOf(w)}
        edit={{
          version: w.version,
          reload: async () => {
            const now = await queries.fetchQuery({ ...webhookQuery(w.id), staleTime: 0 })
            return { version: now.version, values: valuesOf(now) }
          },
          labels: { name: t.webhooks.name, url: t.webhooks.url, events: t.webhooks.events },
        }}
        request={(v) => ({
          method: 'PATCH',
          path: `/webhooks/${w.id}`,
          body: bodyOf(v),
          cli: [
            'webhook update',
            w.id,
            flag('name', v.name),
            flag('url', v.url),
            ...(eventsOf(v.events).length ? eventsOf(v.events) : ['*']).map((e) => flag('event', e)),
          ],
        })}
        submit={t.save}
        onCancel={() => navigate(back)}
        onSubmit={async (v, _, version) => {
          await client.PATCH('/api/v1/webhooks/{webhook}', {
            params: { path: { webhook: w.id }, header: ifMatch(version) },
            body: bodyOf(v),
          })
          navigate(back)
        }}
      >
        <Fields />
      </FormPage>
    </Page>
  )
}
