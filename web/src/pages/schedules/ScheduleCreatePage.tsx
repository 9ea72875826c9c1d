import { useNavigate, useSearchParams } from 'react-router'
import { client } from '@/api/client'
import { FormPage } from '@/form/FormPage'
import { defaultsOf } from '@/form/SchemaFields'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { cliOf, createOf, empty, ScheduleFields, useSchemas, type Values } from './ScheduleForm'

const x = t.schedules

/** ScheduleCreatePage lets something run again and again. */
export function Component() {
  const navigate = useNavigate()
  const script = useSearchParams()[0].get('script') ?? ''
  const schemas = useSchemas()
  if (!schemas) return <Page title={x.create}>{t.loading}</Page>
  return (
    <Page title={x.create} lead={x.about}>
      <FormPage<Values>
        defaults={{ ...empty, script, args: defaultsOf(schemas.get(script)) }}
        submit={x.create}
        onCancel={() => navigate(-1)}
        request={(v) => ({
          method: 'POST',
          path: '/schedules',
          body: createOf(v, schemas.get(v.script)),
          cli: cliOf(v, schemas.get(v.script)),
        })}
        onSubmit={async (v, key) => {
          const params = { header: { 'Idempotency-Key': key } }
          const { data } = await client.POST('/api/v1/schedules', { params, body: createOf(v, schemas.get(v.script)) })
          navigate(paths.schedule(data?.id ?? ''))
        }}
      >
        <ScheduleFields schemas={schemas} create />
      </FormPage>
    </Page>
  )
}
