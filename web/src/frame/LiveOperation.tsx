import { Card, CardBody } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { api } from '@/api/client'
import { isLive, Task } from './TaskDrawer'

/** LiveOperation is an operation that an object waits for, with its progress; nothing once it has succeeded. */
export function LiveOperation({ id }: { id?: string }) {
  const o = useQuery({
    ...api.queryOptions('get', '/api/v1/operations/{operation}', { params: { path: { operation: id ?? '' } } }),
    enabled: Boolean(id),
  }).data
  if (!o || !(isLive(o) || o.state === 'failed')) return null
  return (
    <Card isCompact className="atoll-live">
      <CardBody>
        <Task o={o} />
      </CardBody>
    </Card>
  )
}
