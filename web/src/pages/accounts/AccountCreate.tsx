import { FormGroup } from '@patternfly/react-core'
import { client, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { LimitFields } from '@/pages/usage/Limits'
import { resources } from '@/pages/usage/resources'
import { t } from '@/text'

const x = t.accountPages

type Values = { name: string; description: string } & Record<string, string | number | undefined>

/** AccountCreate makes a tenant with its limits. */
export function AccountCreate({
  onClose,
  onCreated,
}: {
  onClose: () => void
  onCreated: (a: Schemas['Account']) => void
}) {
  const limits = (v: Values) =>
    Object.fromEntries(resources.flatMap((r) => (typeof v[r] === 'number' ? [[r, v[r] as number]] : [])))
  const body = (v: Values) => ({
    name: v.name,
    ...(v.description && { description: v.description }),
    ...(Object.keys(limits(v)).length > 0 && { limits: limits(v) }),
  })
  return (
    <FormModal<Values>
      title={x.create}
      defaults={{ name: '', description: '' }}
      submit={t.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/accounts',
        body: body(v),
        cli: [
          'account create',
          v.name || 'NAME',
          flag('description', v.description),
          flag(
            'quota',
            Object.entries(limits(v))
              .map(([r, n]) => `${r}=${n}`)
              .join(','),
          ),
        ],
      })}
      onSubmit={async (v, key) => {
        const { data } = await client.POST('/api/v1/accounts', {
          params: { header: { 'Idempotency-Key': key } },
          body: body(v),
        })
        if (data) onCreated(data)
      }}
    >
      <TextField<Values> name="name" label={x.name} help={x.nameHelp} required autoFocus />
      <TextField<Values> name="description" label={x.description} />
      <FormGroup label={x.limits} role="group" fieldId="limits">
        <p className="atoll-small">{x.limitsHelp}</p>
        <LimitFields />
      </FormGroup>
    </FormModal>
  )
}
