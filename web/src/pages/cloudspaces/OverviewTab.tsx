import { Alert } from '@patternfly/react-core'
import { Named } from '@/names'
import { isStaff, useMe } from '@/session'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import { Facts } from '@/ui/Facts'
import { Time } from '@/ui/Time'
import { useCloudspace } from './cloudspace'
import { MachineStates } from './MachineStates'

const x = t.cloudspaces

/** gatewayOf is the address of a network’s gateway: the first one in it. */
export const gatewayOf = (network: string) =>
  (network.split('/')[0] ?? '').replace(/\d+$/, (last) => String(Number(last) + 1))

/** OverviewTab is what a cloudspace is. */
export function Component() {
  const c = useCloudspace()
  const staff = isStaff(useMe())
  return (
    <>
      {c.reason && (
        <Alert variant="danger" isInline title={t.machines.why} className="atoll-live">
          <span className="atoll-text">{c.reason}</span>
        </Alert>
      )}
      <Facts
        items={[
          [x.machines, <MachineStates key="machines" cloudspace={c.id} />],
          [x.network, <code key="network">{c.network}</code>],
          [x.gateway, x.gatewayAt(gatewayOf(c.network))],
          [
            x.gatewayNode,
            staff ? c.node_id ? <Named key="node" kind="node" id={c.node_id} /> : x.noGateway : undefined,
          ],
          [x.account, <Named key="account" kind="account" id={c.account_id} />],
          [x.location, <Named key="location" kind="location" id={c.location_id} />],
          [x.created, <Time key="created" value={c.created_at} />],
          [x.id, <Copyable key="id" text={c.id} label={x.id} />],
        ]}
      />
    </>
  )
}
