// The form of a location, to create one and to change it.
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { api, client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { TextField } from '@/form/fields'
import { flag, quote } from '@/form/request'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'

const x = t.locations

type Values = { name: string; description: string }

const locationQuery = (location: string) =>
  api.queryOptions('get', '/api/v1/locations/{location}', { params: { path: { location } } })

const valuesOf = (l: Schemas['Location']): Values => ({ name: l.name, description: l.description ?? '' })

function Fields() {
  return (
    <>
      <TextField<Values> name="name" label={x.name} help={x.nameHelp} required placeholder="ghent" />
      <TextField<Values> name="description" label={x.description} />
    </>
  )
}

/** CreatePage adds a location. */
export function CreatePage() {
  const navigate = useNavigate()
  const back = () => navigate(paths.locations)
  return (
    <Page title={x.create} lead={x.about}>
      <FormPage<Values>
        defaults={{ name: '', description: '' }}
        submit={x.create}
        onCancel={back}
        request={(body) => ({
          method: 'POST',
          path: '/locations',
          body,
          cli: ['location create', quote(body.name || 'NAME'), flag('description', body.description)],
        })}
        onSubmit={async (body, key) => {
          await client.POST('/api/v1/locations', { params: { header: { 'Idempotency-Key': key } }, body })
          back()
        }}
      >
        <Fields />
      </FormPage>
    </Page>
  )
}

export const editLoader = ({ params }: LoaderFunctionArgs) =>
  queries.ensureQueryData(locationQuery(params.location ?? ''))

/** EditPage renames or describes a location. */
export function EditPage() {
  const l = useSuspenseQuery(locationQuery(useParams().location ?? '')).data
  const navigate = useNavigate()
  const back = () => navigate(paths.locations)
  return (
    <Page title={`${x.edit}: ${l.name}`}>
      <FormPage<Values>
        defaults={valuesOf(l)}
        submit={t.save}
        onCancel={back}
        edit={{
          version: l.version,
          reload: async () => {
            const now = await queries.fetchQuery({ ...locationQuery(l.id), staleTime: 0 })
            return { version: now.version, values: valuesOf(now) }
          },
          labels: { name: x.name, description: x.description },
        }}
        request={(body) => ({
          method: 'PATCH',
          path: `/locations/${l.id}`,
          body,
          cli: ['location update', quote(l.name), flag('name', body.name), flag('description', body.description)],
        })}
        onSubmit={async (body, _, version) => {
          const params = { path: { location: l.id }, header: ifMatch(version) }
          await client.PATCH('/api/v1/locations/{location}', { params, body })
          back()
        }}
      >
        <Fields />
      </FormPage>
    </Page>
  )
}
