import { useQuery } from '@tanstack/react-query'
import { useFormContext } from 'react-hook-form'
import { api, type Schemas } from '@/api/client'
import { ChoiceField } from '@/form/ChoiceField'
import { mebibytes } from '@/format'
import { listQuery } from '@/lists'
import { amountOf } from '@/pages/usage/resources'
import { t } from '@/text'
import type { Values } from './MachineCreatePage'

const x = t.machines
const c = t.machineCreate

/** SizeField offers the sizes; those that the quota of account or cloudspace has no room for say so. */
export function SizeField({ account, images }: { account: string; images: Schemas['Image'][] }) {
  const { watch } = useFormContext<Values>()
  const cloudspace = watch('cloudspace')
  const image = images.find((i) => i.id === watch('image'))
  const disk = watch('disk_gib')
  const sizes = useQuery(listQuery('/api/v1/sizes', { limit: 200 })).data?.items ?? []
  const ofAccount = useQuery(
    api.queryOptions('get', '/api/v1/accounts/{account}/quota', { params: { path: { account } } }),
  )
  const ofCloudspace = useQuery({
    ...api.queryOptions('get', '/api/v1/cloudspaces/{cloudspace}/quota', { params: { path: { cloudspace } } }),
    enabled: Boolean(cloudspace),
  })
  const quotas = [...(ofAccount.data?.items ?? []), ...(ofCloudspace.data?.items ?? [])]
  const blocked = (s: Schemas['Size']) => {
    const gib = disk || s.disk_gib
    const takes: Record<string, number> = {
      machines: 1,
      vcpus: s.vcpus,
      memory_mib: s.memory_mib,
      disk_gib: gib,
      running_vcpus: s.vcpus,
      running_memory_mib: s.memory_mib,
    }
    const over = quotas.find((q) => q.limit >= 0 && (takes[q.resource] ?? 0) > q.limit - q.amount)
    if (over)
      return c.sizeLeft(
        `${t.usage.resources[over.resource] ?? over.resource}, ${amountOf(over.resource, Math.max(0, over.limit - over.amount))}`,
      )
    return image && image.virtual_mib > gib * 1024 ? c.tooSmall(gib) : undefined
  }
  return (
    <ChoiceField<Values>
      name="size"
      label={x.size}
      required
      choices={sizes.map((s) => ({
        value: s.name,
        title: s.name,
        body: x.describe(s.vcpus, mebibytes(s.memory_mib), s.disk_gib),
        blocked: blocked(s),
      }))}
    />
  )
}
