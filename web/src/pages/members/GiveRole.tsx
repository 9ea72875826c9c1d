import { useQuery } from '@tanstack/react-query'
import { useFormContext } from 'react-hook-form'
import { client } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { SelectField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { listQuery } from '@/lists'
import { t } from '@/text'
import type { Place } from './Access'

const x = t.members

type Role = 'admin' | 'writer' | 'reader'
type Values = { kind: 'user' | 'service'; user: string; service_account: string; role: Role; cloudspace: string }

/** GiveRole gives a person or a program a role in a place; in an account also on one of its cloudspaces. */
export function GiveRole({ place, onClose }: { place: Place; onClose: () => void }) {
  const inside = [`account=${place.account}`]
  const services = useQuery(listQuery('/api/v1/service-accounts', { limit: 200, filter: inside })).data?.items ?? []
  const cloudspaces = useQuery({
    ...listQuery('/api/v1/cloudspaces', { limit: 200, sort: 'name', filter: inside }),
    enabled: !place.cloudspace,
  }).data?.items
  const body = (v: Values) => ({
    ...(v.kind === 'user' ? { user: v.user } : { service_account: v.service_account }),
    role: v.role,
    account: place.account,
    ...((place.cloudspace ?? v.cloudspace) && { cloudspace: place.cloudspace ?? v.cloudspace }),
    ...(place.machine && { machine: place.machine }),
  })
  return (
    <FormModal<Values>
      title={x.give}
      lead={x.giveLead}
      defaults={{ kind: 'user', user: '', service_account: '', role: 'reader', cloudspace: '' }}
      submit={x.give}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/memberships',
        body: body(v),
        cli: [
          'membership create',
          v.kind === 'user' ? flag('user', v.user) : flag('service-account', v.service_account),
          flag('role', v.role),
          flag('account', place.account),
          flag('cloudspace', body(v).cloudspace),
          flag('machine', place.machine),
        ],
      })}
      onSubmit={(v, key) =>
        client.POST('/api/v1/memberships', { params: { header: { 'Idempotency-Key': key } }, body: body(v) })
      }
    >
      {services.length > 0 && (
        <SelectField<Values>
          name="kind"
          label={x.kind}
          options={[
            { value: 'user', label: x.user },
            { value: 'service', label: x.service },
          ]}
        />
      )}
      <Who services={services} />
      <SelectField<Values>
        name="role"
        label={x.role}
        options={(['reader', 'writer', 'admin'] as const).map((r) => ({
          value: r,
          label: `${x.roles[r]}: ${x.roleHelp[r]}`,
        }))}
      />
      {cloudspaces && (
        <SelectField<Values>
          name="cloudspace"
          label={x.where}
          options={[
            { value: '', label: x.wholeAccount },
            ...cloudspaces.map((c) => ({ value: c.id, label: `${t.scope.cloudspace} ${c.name}` })),
          ]}
        />
      )}
    </FormModal>
  )
}

function Who({ services }: { services: { id: string; name: string }[] }) {
  const kind = useFormContext<Values>().watch('kind')
  return kind === 'user' ? (
    <TextField<Values> name="user" label={x.userName} help={x.userHelp} required autoFocus />
  ) : (
    <SelectField<Values>
      name="service_account"
      label={x.serviceName}
      required
      placeholder=""
      options={services.map((s) => ({ value: s.id, label: s.name }))}
    />
  )
}
