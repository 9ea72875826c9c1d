import { client } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { NumberField } from '@/form/fields'
import { toast } from '@/frame/toasts'
import { t } from '@/text'
import { useQuota } from './QuotaBars'
import { resourceName, resources, unitOf } from './resources'
import type { Scope } from './Usage'

const x = t.usage

type Values = Record<string, number | undefined>

/** limitsOf are the limits of a form: an empty field is no limit. */
export const limitsOf = (v: Values) => Object.fromEntries(resources.map((r) => [r, v[r] ?? -1]))

/** Limits sets the limits of an account or cloudspace. */
export function Limits({ account, cloudspace, onClose }: Scope & { onClose: () => void }) {
  const quota = useQuota({ account, cloudspace }).data
  if (!quota) return null
  const now: Values = Object.fromEntries(quota.items.filter((q) => q.limit >= 0).map((q) => [q.resource, q.limit]))
  const put = (v: Values) => {
    const body = { limits: limitsOf(v) }
    return cloudspace
      ? client.PUT('/api/v1/cloudspaces/{cloudspace}/quota', { params: { path: { cloudspace } }, body })
      : client.PUT('/api/v1/accounts/{account}/quota', { params: { path: { account } }, body })
  }
  return (
    <FormModal<Values>
      title={x.setLimits}
      lead={x.setLead}
      defaults={now}
      submit={t.save}
      onClose={onClose}
      request={(v) => ({
        method: 'PUT',
        path: cloudspace ? `/cloudspaces/${cloudspace}/quota` : `/accounts/${account}/quota`,
        body: { limits: limitsOf(v) },
        cli: [
          'quota update',
          `--account ${account}`,
          cloudspace && `--cloudspace ${cloudspace}`,
          ...resources.map((r) => `${r}=${v[r] ?? 'none'}`),
        ],
      })}
      onSubmit={async (v) => {
        const { data } = await put(v)
        for (const note of data?.notes ?? []) toast('info', note)
      }}
    >
      <LimitFields />
    </FormModal>
  )
}

/** LimitFields are the fields of the limits in a form. */
export const LimitFields = () => (
  <div className="atoll-choices">
    {resources.map((r) => (
      <NumberField<Values> key={r} name={r} label={[resourceName(r), unitOf(r)].filter(Boolean).join(' ')} min={0} />
    ))}
  </div>
)
