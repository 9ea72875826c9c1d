import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { client, ifMatch } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { quote } from '@/form/request'
import { defaultsOf, type Schema } from '@/form/SchemaFields'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { argFlags, changeOf, empty, ScheduleFields, timesOf, useSchemas, type Values } from './ScheduleForm'
import { type Schedule, scheduleQuery, whatOf } from './schedule'

const x = t.schedules

export const loader = ({ params }: LoaderFunctionArgs) => queries.ensureQueryData(scheduleQuery(params.schedule ?? ''))

const valuesOf = (s: Schedule, schema?: Schema): Values => ({
  ...empty,
  name: s.name,
  what: s.script ? 'script' : 'command',
  script: s.script ?? '',
  command: s.script ? '' : whatOf(s),
  args: defaultsOf(schema, s.args as Record<string, unknown> | undefined),
  json: s.args === undefined ? '' : JSON.stringify(s.args, null, 2),
  how: s.cron ? 'cron' : 'every',
  every: s.every ?? '',
  cron: s.cron ?? '',
  timezone: s.timezone ?? '',
  jitter: s.jitter ?? '',
  miss: s.miss,
  timeout: s.timeout ?? '',
})

/** ScheduleEditPage changes when something runs, and with which arguments. */
export function Component() {
  const s = useSuspenseQuery(scheduleQuery(useParams().schedule ?? '')).data
  const navigate = useNavigate()
  const schemas = useSchemas()
  const back = () => navigate(paths.schedule(s.id))
  if (!schemas) return <Page title={x.edit}>{t.loading}</Page>
  const schema = schemas.get(s.script ?? '')
  return (
    <Page title={`${x.edit}: ${s.name}`}>
      <FormPage<Values>
        defaults={valuesOf(s, schema)}
        submit={t.save}
        onCancel={back}
        edit={{
          version: s.version,
          reload: async () => {
            const now = await queries.fetchQuery({ ...scheduleQuery(s.id), staleTime: 0 })
            return { version: now.version, values: valuesOf(now, schema) }
          },
          labels: {
            args: x.args,
            every: x.period,
            cron: x.line,
            timezone: x.zone,
            jitter: x.jitter,
            miss: x.miss,
            timeout: x.timeout,
          },
        }}
        request={(v) => ({
          method: 'PATCH',
          path: `/schedules/${s.id}`,
          body: changeOf(v, schema),
          cli: ['schedule update', quote(s.name), ...timesOf(v), ...argFlags(v, schema)],
        })}
        onSubmit={async (v, _, version) => {
          const params = { path: { schedule: s.id }, header: ifMatch(version) }
          await client.PATCH('/api/v1/schedules/{schedule}', { params, body: changeOf(v, schema) })
          back()
        }}
      >
        <ScheduleFields schemas={schemas} create={false} />
      </FormPage>
    </Page>
  )
}
