import { client, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { SelectField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { t } from '@/text'

const x = t.serviceAccounts

type Values = { name: string; full_name: string; role: '' | 'admin' | 'writer' | 'reader' }
type Props = {
  account: Schemas['Account']
  onClose: () => void
  onCreated: (s: Schemas['ServiceAccount']) => void
}

/** ServiceAccountCreate makes a user for programs, and gives it a role at once if wanted. */
export function ServiceAccountCreate({ account, onClose, onCreated }: Props) {
  const body = (v: Values) => ({
    account: account.id,
    name: v.name,
    ...(v.full_name && { full_name: v.full_name }),
  })
  const submit = async (v: Values, key: string) => {
    const { data } = await client.POST('/api/v1/service-accounts', {
      params: { header: { 'Idempotency-Key': key } },
      body: body(v),
    })
    if (!data) return
    if (v.role)
      await client.POST('/api/v1/memberships', {
        params: { header: { 'Idempotency-Key': `${key}-role` } },
        body: { account: account.id, service_account: data.id, role: v.role },
      })
    onCreated(data)
    return false // the tokens are shown in place of this dialog
  }
  return (
    <FormModal<Values>
      title={x.create}
      lead={x.createLead}
      defaults={{ name: '', full_name: '', role: '' }}
      submit={t.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/service-accounts',
        body: body(v),
        cli: [
          'service-account create',
          v.name || 'NAME',
          flag('account', account.name),
          flag('full-name', v.full_name),
          v.role !== '' &&
            `&& atoll membership create ${flag('account', account.name)} ${flag('service-account', v.name || 'NAME')} ${flag('role', v.role)}`,
        ],
      })}
      onSubmit={submit}
    >
      <TextField<Values> name="name" label={x.name} required autoFocus placeholder="ci" />
      <TextField<Values> name="full_name" label={x.fullName} />
      <SelectField<Values>
        name="role"
        label={x.role}
        options={[
          { value: '', label: x.noRole },
          ...(['reader', 'writer', 'admin'] as const).map((r) => ({
            value: r,
            label: `${t.members.roles[r]}: ${t.members.roleHelp[r]}`,
          })),
        ]}
      />
    </FormModal>
  )
}
