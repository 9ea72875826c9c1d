import { Progress, ProgressMeasureLocation, ProgressVariant } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { api, type Schemas } from '@/api/client'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'
import { amountOf, resourceName } from './resources'

type Quota = Schemas['Quota']

const x = t.usage

/** useQuota is what an account, or a cloudspace, uses and may use. */
export function useQuota(scope: { account?: string; cloudspace?: string }) {
  const account = useQuery({
    ...api.queryOptions('get', '/api/v1/accounts/{account}/quota', {
      params: { path: { account: scope.account ?? '' } },
    }),
    enabled: Boolean(scope.account && !scope.cloudspace),
  })
  const cloudspace = useQuery({
    ...api.queryOptions('get', '/api/v1/cloudspaces/{cloudspace}/quota', {
      params: { path: { cloudspace: scope.cloudspace ?? '' } },
    }),
    enabled: Boolean(scope.cloudspace),
  })
  const { data, error } = scope.cloudspace ? cloudspace : account
  return { data, error: error as unknown as Error | null } // the client throws nothing else
}

/** isNear reports whether little is left of a quota. */
export const isNear = (q: Quota) => q.limit >= 0 && q.amount >= 0.8 * q.limit && q.amount > 0

/** QuotaBars shows how much of each quota is in use; a full one by its sign too, not by colour alone. */
export function QuotaBars({ account, cloudspace }: { account?: string; cloudspace?: string }) {
  const quota = useQuota({ account, cloudspace })
  if (quota.error) return <ErrorView error={quota.error} />
  if (!quota.data) return <p>{t.loading}</p>
  return (
    <div className="atoll-grid">
      {quota.data.items.map((q) => (
        <QuotaBar key={q.resource} q={q} />
      ))}
    </div>
  )
}

/** QuotaBar is one quota. */
export function QuotaBar({ q, of }: { q: Quota; of?: string }) {
  const [amount, limit] = [amountOf(q.resource, q.amount), amountOf(q.resource, q.limit)]
  const name = of ? `${of}: ${resourceName(q.resource)}` : resourceName(q.resource)
  if (q.limit < 0)
    return (
      <div>
        <div>{name}</div>
        <div className="atoll-small">{x.free(amount)}</div>
      </div>
    )
  const full = q.amount >= q.limit
  return (
    <Progress
      id={`quota-${q.scope_id}-${q.resource}`}
      title={name}
      aria-label={name}
      value={Math.min(q.amount, q.limit)}
      max={Math.max(q.limit, 1)}
      label={x.of(amount, limit)}
      valueText={x.of(amount, limit)}
      size="sm"
      variant={full ? ProgressVariant.danger : isNear(q) ? ProgressVariant.warning : undefined}
      measureLocation={ProgressMeasureLocation.top}
    />
  )
}
