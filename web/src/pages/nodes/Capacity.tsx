import { Progress, ProgressMeasureLocation } from '@patternfly/react-core'
import type { Schemas } from '@/api/client'
import { amountOf, resourceName } from '@/pages/usage/resources'
import { t } from '@/text'
import { shareOf } from './node'

/** CapacityBar is how much of one resource is placed, of one node or of all. */
export function CapacityBar({ q }: { q: Schemas['Quota'] }) {
  const text = t.nodes.ofCapacity(amountOf(q.resource, q.amount), amountOf(q.resource, q.limit))
  const share = shareOf(q)
  return (
    <Progress
      id={`capacity-${q.scope_id}-${q.resource}`}
      title={resourceName(q.resource)}
      aria-label={resourceName(q.resource)}
      value={Math.min(share, 100)}
      label={text}
      valueText={text}
      size="sm"
      variant={share >= 90 ? 'warning' : undefined}
      measureLocation={ProgressMeasureLocation.top}
    />
  )
}
