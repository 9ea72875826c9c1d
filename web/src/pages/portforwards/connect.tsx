// How somebody connects through a port forward.
import { useQuery } from '@tanstack/react-query'
import type { Schemas } from '@/api/client'
import { objectQuery } from '@/names'
import { isStaff, useMe } from '@/session'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'

/**
 * useGatewayHost is the host that the public ports of a node are reached at. Tenants
 * may not know of nodes: theirs is the host that the portal itself is reached at.
 */
function useGatewayHost(node: string | undefined): string {
  const staff = isStaff(useMe())
  const gateway = useQuery({ ...objectQuery<Schemas['Node']>('node', node ?? ''), enabled: staff && Boolean(node) })
  return gateway.data?.facts.addresses?.[0] ?? location.hostname
}

/** Connect is what to type to get through a port forward: an ssh command, or the address. */
export function Connect({ forward: f }: { forward: Schemas['PortForward'] }) {
  const host = useGatewayHost(f.node_id)
  const machine = useQuery({
    ...objectQuery<Schemas['Machine']>('machine', f.machine_id),
    enabled: f.port === 22 && f.protocol === 'tcp',
  }).data
  const image = useQuery({
    ...objectQuery<Schemas['Image']>('image', machine?.image_id ?? ''),
    enabled: Boolean(machine),
  }).data
  if (f.state !== 'active') return <>{t.none}</>
  if (f.port !== 22 || f.protocol !== 'tcp') return <Copyable text={`${host}:${f.public_port}`} />
  return <Copyable text={`ssh -p ${f.public_port} ${image?.user ? `${image.user}@` : ''}${host}`} />
}
