// The form of a size, to create one and to change it.
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { api, client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { NumberField, TextField } from '@/form/fields'
import { flag, quote } from '@/form/request'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'

const x = t.sizes

type Values = Schemas['SizeCreate']

const sizeQuery = (size: string) => api.queryOptions('get', '/api/v1/sizes/{size}', { params: { path: { size } } })

const valuesOf = (z: Schemas['Size']): Values => ({
  name: z.name,
  vcpus: z.vcpus,
  memory_mib: z.memory_mib,
  disk_gib: z.disk_gib,
})

const flags = (v: Values) => [flag('vcpus', v.vcpus), flag('memory', v.memory_mib), flag('disk', v.disk_gib)]

function Fields() {
  return (
    <>
      <TextField<Values> name="name" label={x.name} help={x.nameHelp} required placeholder="small" />
      <NumberField<Values> name="vcpus" label={x.vcpus} min={1} max={256} required />
      <NumberField<Values> name="memory_mib" label={x.memoryMiB} min={64} max={4_194_304} required />
      <NumberField<Values> name="disk_gib" label={x.diskGiB} min={1} max={65_536} required />
    </>
  )
}

/** CreatePage offers a size. */
export function CreatePage() {
  const navigate = useNavigate()
  const back = () => navigate(paths.sizes)
  return (
    <Page title={x.create} lead={x.about}>
      <FormPage<Values>
        defaults={{ name: '', vcpus: 1, memory_mib: 1024, disk_gib: 10 }}
        submit={x.create}
        onCancel={back}
        request={(body) => ({
          method: 'POST',
          path: '/sizes',
          body,
          cli: ['size create', quote(body.name || 'NAME'), ...flags(body)],
        })}
        onSubmit={async (body, key) => {
          await client.POST('/api/v1/sizes', { params: { header: { 'Idempotency-Key': key } }, body })
          back()
        }}
      >
        <Fields />
      </FormPage>
    </Page>
  )
}

export const editLoader = ({ params }: LoaderFunctionArgs) => queries.ensureQueryData(sizeQuery(params.size ?? ''))

/** EditPage changes what machines of a size get from now on. */
export function EditPage() {
  const z = useSuspenseQuery(sizeQuery(useParams().size ?? '')).data
  const navigate = useNavigate()
  const back = () => navigate(paths.sizes)
  return (
    <Page title={`${x.edit}: ${z.name}`} lead={x.editAbout}>
      <FormPage<Values>
        defaults={valuesOf(z)}
        submit={t.save}
        onCancel={back}
        edit={{
          version: z.version,
          reload: async () => {
            const now = await queries.fetchQuery({ ...sizeQuery(z.id), staleTime: 0 })
            return { version: now.version, values: valuesOf(now) }
          },
          labels: { name: x.name, vcpus: x.vcpus, memory_mib: x.memoryMiB, disk_gib: x.diskGiB },
        }}
        request={(body) => ({
          method: 'PATCH',
          path: `/sizes/${z.id}`,
          body,
          cli: ['size update', quote(z.name), flag('name', body.name), ...flags(body)],
        })}
        onSubmit={async (body, _, version) => {
          const params = { path: { size: z.id }, header: ifMatch(version) }
          await client.PATCH('/api/v1/sizes/{size}', { params, body })
          back()
        }}
      >
        <Fields />
      </FormPage>
    </Page>
  )
}
