// How somebody connects through a port forward.
import { useQuery } from '@tanstack/react-query'
import type { Schemas } from '@/api/client'
import { objectQuery } from '@/names'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'

/** Connect is what to type to get through a port forward: an ssh command, or the address. */
export function Connect({ forward: f }: { forward: Schemas['PortForward'] }) {
  const machine = useQuery({
    ...objectQuery<Schemas['Machine']>('machine', f.machine_id),
    enabled: f.port === 22 && f.protocol === 'tcp',
  }).data
  const image = useQuery({
    ...objectQuery<Schemas['Image']>('image', machine?.image_id ?? ''),
    enabled: Boolean(machine),
  }).data
  if (f.state !== 'active' || !f.address) return <>{t.none}</>
  if (f.port !== 22 || f.protocol !== 'tcp') {
    const host = f.address.includes(':') ? `[${f.address}]` : f.address // IPv6
    return <Copyable text={`${host}:${f.public_port}`} />
  }
  return <Copyable text={`ssh -p ${f.public_port} ${image?.user ? `${image.user}@` : ''}${f.address}`} />
}
