import { useQuery } from '@tanstack/react-query'
import { client, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { SelectField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { listQuery } from '@/lists'
import { t } from '@/text'

const x = t.cloudspaces

type Values = { name: string; location: string; network: string }
type Props = {
  account: Schemas['Account']
  onClose: () => void
  onCreated?: (c: Schemas['Cloudspace']) => void
}

/** CloudspaceCreate makes a cloudspace in an account. */
export function CloudspaceCreate({ account, onClose, onCreated }: Props) {
  const locations = useQuery(listQuery('/api/v1/locations', { limit: 200 })).data?.items ?? []
  const body = (v: Values) => ({
    account: account.id,
    name: v.name,
    ...(v.location && { location: v.location }),
    ...(v.network && { network: v.network }),
  })
  return (
    <FormModal<Values>
      title={x.create}
      lead={x.about}
      defaults={{ name: '', location: '', network: '' }}
      submit={t.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/cloudspaces',
        body: body(v),
        cli: [
          'cloudspace create',
          v.name || 'NAME',
          flag('account', account.name),
          flag('location', locations.find((l) => l.id === v.location)?.name),
          flag('network', v.network),
        ],
      })}
      onSubmit={async (v, key) => {
        const { data } = await client.POST('/api/v1/cloudspaces', {
          params: { header: { 'Idempotency-Key': key } },
          body: body(v),
        })
        if (data) onCreated?.(data)
      }}
    >
      <TextField<Values> name="name" label={x.name} help={x.nameHelp} required autoFocus placeholder="prod" />
      {locations.length > 1 && (
        <SelectField<Values>
          name="location"
          label={x.location}
          required
          placeholder=""
          options={locations.map((l) => ({ value: l.id, label: l.name }))}
        />
      )}
      <TextField<Values> name="network" label={x.network} help={x.networkHelp} placeholder="192.168.103.0/24" />
    </FormModal>
  )
}
