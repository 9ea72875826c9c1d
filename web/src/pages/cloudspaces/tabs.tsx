// Those of a cloudspace’s tabs that show what other pages show too, of this cloudspace.
import { Timeline } from '@/frame/Timeline'
import { Machines } from '@/pages/machines/Machines'
import { Access } from '@/pages/members/Access'
import { PortForwards } from '@/pages/portforwards/PortForwards'
import { Usage } from '@/pages/usage/Usage'
import { useCloudspace } from './cloudspace'

export const MachinesTab = () => <Machines cloudspace={useCloudspace()} />

export const PortForwardsTab = () => <PortForwards cloudspace={useCloudspace()} />

export function MembersTab() {
  const c = useCloudspace()
  return <Access account={c.account_id} cloudspace={c.id} />
}

export function QuotaTab() {
  const c = useCloudspace()
  return <Usage account={c.account_id} cloudspace={c.id} />
}

export const TimelineTab = () => <Timeline filter={`cloudspace=${useCloudspace().id}`} />
