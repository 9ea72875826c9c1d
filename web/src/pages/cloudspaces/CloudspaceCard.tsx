import { Card, CardBody, CardHeader, CardTitle } from '@patternfly/react-core'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { Named } from '@/names'
import { paths } from '@/paths'
import { StateLabel } from '@/ui/StateLabel'
import { MachineStates } from './MachineStates'

type Cloudspace = Schemas['Cloudspace']

/** CloudspaceCard is a cloudspace with the states of its machines. */
export function CloudspaceCard({ c }: { c: Cloudspace }) {
  return (
    <Card isCompact isFullHeight>
      <CardHeader
        actions={{ actions: c.state === 'active' ? undefined : <StateLabel state={c.state} reason={c.reason} /> }}
      >
        <CardTitle component="h2">
          <Link to={paths.cloudspace(c.id)}>
            <bdi className="atoll-text">{c.name}</bdi>
          </Link>
        </CardTitle>
      </CardHeader>
      <CardBody>
        <MachineStates cloudspace={c.id} />
        <div className="atoll-small">
          <Named kind="account" id={c.account_id} /> · <code>{c.network}</code>
        </div>
      </CardBody>
    </Card>
  )
}
