import { client, ifMatch, type Schemas } from '@/api/client'
import { mebibytes } from '@/format'
import { listLoader, useList } from '@/lists'
import { amountOf } from '@/pages/usage/resources'
import { paths } from '@/paths'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Time } from '@/ui/Time'
import { Catalogue } from './Catalogue'

type Size = Schemas['Size']

const x = t.sizes
const options = {} as const

export const loader = listLoader('/api/v1/sizes', options)

const columns: Column<Size>[] = [
  { label: x.name, cell: (z) => z.name },
  { label: x.vcpus, numeric: true, cell: (z) => z.vcpus },
  { label: x.memory, numeric: true, cell: (z) => mebibytes(z.memory_mib) },
  { label: x.disk, numeric: true, cell: (z) => amountOf('disk_gib', z.disk_gib) },
  { label: x.created, wide: true, cell: (z) => <Time value={z.created_at} /> },
]

/** SizesPage lists what machines can be given. */
export function Component() {
  const list = useList('/api/v1/sizes', options)
  return (
    <Catalogue
      text={x}
      list={list}
      columns={columns}
      createAt={paths.sizeCreate}
      at={paths.size}
      onDelete={(size) =>
        client.DELETE('/api/v1/sizes/{size}', {
          params: { path: { size: size.id }, header: ifMatch(size.version) },
        })
      }
    />
  )
}
