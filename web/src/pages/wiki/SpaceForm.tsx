import { useNavigate } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { SelectField, TextAreaField, TextField } from '@/form/fields'
import { flag, quote } from '@/form/request'
import { paths } from '@/paths'
import { isOperator, useChosen, useMe } from '@/session'
import { t } from '@/text'

const x = t.pages

type Space = Schemas['WikiSpace']
type Values = Pick<Space, 'name' | 'title' | 'readers'> & { description: string }

const valuesOf = (s?: Space): Values => ({
  name: s?.name ?? '',
  title: s?.title ?? '',
  description: s?.description ?? '',
  readers: s?.readers ?? 'scope',
})

/** SpaceForm creates a space, or changes one. */
export function SpaceForm({ space, onClose }: { space?: Space; onClose: () => void }) {
  const operator = isOperator(useMe())
  const { account } = useChosen()
  const navigate = useNavigate()
  const scope = account && !space ? { account } : {}
  const path = { space: space?.id ?? '' }
  const submit = async (v: Values, key: string, version: number) => {
    if (space) return client.PATCH('/api/v1/spaces/{space}', { params: { path, header: ifMatch(version) }, body: v })
    const params = { header: { 'Idempotency-Key': key } }
    const { data } = await client.POST('/api/v1/spaces', { params, body: { ...scope, ...v } })
    return navigate(paths.space(data?.id ?? ''))
  }
  const edit = space && {
    version: space.version,
    reload: async () => {
      const { data } = await client.GET('/api/v1/spaces/{space}', { params: { path } })
      return { version: data?.version ?? 0, values: valuesOf(data) }
    },
    labels: { name: x.spaceName, title: x.spaceTitle, description: x.description, readers: x.readers },
  }
  return (
    <FormModal<Values>
      title={space ? space.title : x.spaceCreate}
      lead={!space && `${x.scope}: ${account ? x.chosenAccount : x.installation}`}
      defaults={valuesOf(space)}
      edit={edit}
      submit={space ? t.save : t.create}
      onClose={onClose}
      onSubmit={submit}
      request={(v) => ({
        method: space ? 'PATCH' : 'POST',
        path: space ? `/spaces/${space.id}` : '/spaces',
        body: { ...scope, ...v },
        cli: [
          space ? `space update ${space.id}` : `space create ${quote(v.name || 'NAME')}`,
          flag('account', scope.account),
          space && flag('name', v.name),
          flag('title', v.title),
          flag('description', v.description),
          flag('readers', v.readers),
        ],
      })}
    >
      <TextField<Values> name="name" label={x.spaceName} required autoFocus />
      <TextField<Values> name="title" label={x.spaceTitle} />
      <TextAreaField<Values> name="description" label={x.description} />
      {operator && (
        <SelectField<Values>
          name="readers"
          label={x.readers}
          options={Object.entries(x.readersOf).map(([value, label]) => ({ value, label }))}
        />
      )}
    </FormModal>
  )
}
