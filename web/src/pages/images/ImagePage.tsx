import { Alert } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, type LoaderFunctionArgs, useParams } from 'react-router'
import { ApiError, api, client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormModal } from '@/form/FormModal'
import { TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { bytes, mebibytes } from '@/format'
import { LiveOperation } from '@/frame/LiveOperation'
import { Timeline } from '@/frame/Timeline'
import { toast } from '@/frame/toasts'
import { Named, objectQuery } from '@/names'
import { paths } from '@/paths'
import { isOperator, roleOn, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Copyable } from '@/ui/Copyable'
import { Empty } from '@/ui/Empty'
import { Facts } from '@/ui/Facts'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Part } from '@/ui/Part'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'

type Image = Schemas['Image']

const x = t.images

const query = (image: string) => api.queryOptions('get', '/api/v1/images/{image}', { params: { path: { image } } })

export const loader = ({ params }: LoaderFunctionArgs) => queries.ensureQueryData(query(params.image ?? ''))

/** ImagePage is an image: what it is, where it came from, and what can be done with it. */
export function Component() {
  const { data: i, error } = useSuspenseQuery(query(useParams().image ?? ''))
  const me = useMe()
  const [open, setOpen] = useState<'edit' | 'delete'>()
  const close = () => setOpen(undefined)
  if ((error as unknown) instanceof ApiError && (error as unknown as ApiError).problem.status === 404)
    return (
      <Page title={i.name}>
        <Empty title={x.gone} actions={<Link to={paths.images}>{x.back}</Link>} />
      </Page>
    )
  const role = roleOn(me, i)
  const may = i.account_id ? role === 'writer' || role === 'admin' : isOperator(me)
  const blocked = may ? undefined : x.onlyOwners
  const enable = (enabled: boolean) =>
    void update(i, { enabled }).catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  return (
    <Page
      title={i.name}
      label={<StateLabel state={i.state} reason={i.reason} />}
      lead={i.description && <bdi className="atoll-text">{i.description}</bdi>}
      actions={
        <div className="atoll-buttons">
          {i.state === 'ready' && <Link to={`${paths.machineCreate}?image=${i.id}`}>{x.use}</Link>}
          <Menu
            name={t.actionsOf(i.name)}
            label={t.actions}
            actions={[
              { label: t.edit, blocked, onClick: () => setOpen('edit') },
              i.state === 'disabled'
                ? { label: x.enable, blocked, onClick: () => enable(true) }
                : { label: x.disable, blocked, onClick: () => enable(false) },
              { label: t.delete, danger: true, blocked, onClick: () => setOpen('delete') },
            ]}
          />
        </div>
      }
    >
      <LiveOperation id={i.operation_id} />
      {i.reason && (
        <Alert variant="danger" isInline title={t.machines.why} className="atoll-live">
          <span className="atoll-text">{i.reason}</span>
        </Alert>
      )}
      <div className="atoll-part">
        <Facts
          items={[
            [x.owner, i.account_id ? <Named key="owner" kind="account" id={i.account_id} /> : x.everybody],
            [x.user, i.user ?? ''],
            [x.format, i.format ?? ''],
            [x.fileSize, bytes(i.size)],
            [x.disk, mebibytes(i.virtual_mib)],
            [x.source, i.source_url ? <Copyable key="source" text={i.source_url} label={x.source} /> : x.uploaded],
            [x.checksum, i.sha256 ? <Copyable key="sum" text={i.sha256} label={x.checksum} /> : ''],
            [x.created, <Time key="created" value={i.created_at} />],
            [x.id, <Copyable key="id" text={i.id} label={x.id} />],
          ]}
        />
      </div>
      <Part title={t.machines.tabs.timeline}>
        <Timeline filter={`subject=${i.id}`} />
      </Part>
      {open === 'edit' && <Edit i={i} onClose={close} />}
      {open === 'delete' && (
        <ConfirmDelete
          kind={x.one}
          name={i.name}
          onClose={close}
          onConfirm={() => client.DELETE('/api/v1/images/{image}', { params: { path: { image: i.id } } })}
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}

const update = (i: Image, body: Schemas['ImageUpdate']) =>
  client.PATCH('/api/v1/images/{image}', { params: { path: { image: i.id }, header: ifMatch(i.version) }, body })

type Values = { name: string; description: string; user: string }

function Edit({ i, onClose }: { i: Image; onClose: () => void }) {
  return (
    <FormModal<Values>
      title={`${t.edit}: ${i.name}`}
      defaults={{ name: i.name, description: i.description ?? '', user: i.user ?? '' }}
      submit={t.save}
      onClose={onClose}
      request={(body) => ({
        method: 'PATCH',
        path: `/images/${i.id}`,
        body,
        cli: [
          'image update',
          i.id,
          flag('name', body.name),
          flag('description', body.description),
          flag('user', body.user),
        ],
      })}
      edit={{
        version: i.version,
        labels: { name: x.name, description: x.description, user: x.user },
        reload: async () => {
          const now = await queries.fetchQuery({ ...objectQuery<Image>('image', i.id), staleTime: 0 })
          return {
            version: now.version,
            values: { name: now.name, description: now.description ?? '', user: now.user ?? '' },
          }
        },
      }}
      onSubmit={(body, _, version) => update({ ...i, version }, body)}
    >
      <TextField<Values> name="name" label={x.name} required />
      <TextField<Values> name="description" label={x.description} />
      <TextField<Values> name="user" label={x.user} help={x.userHelp} />
    </FormModal>
  )
}
