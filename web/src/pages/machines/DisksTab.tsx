import { Content } from '@patternfly/react-core'
import type { Schemas } from '@/api/client'
import { useList } from '@/lists'
import { Named } from '@/names'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { StateLabel } from '@/ui/StateLabel'
import { useMachine } from './machine'

const x = t.disks

const columns: Column<Schemas['Disk']>[] = [
  { label: x.name, cell: (d) => <bdi>{d.name}</bdi> },
  { label: x.state, cell: (d) => <StateLabel state={d.state} reason={d.reason} /> },
  { label: x.size, numeric: true, cell: (d) => `${d.size_gib} GiB` },
  { label: x.boot, cell: (d) => (d.boot ? t.yes : t.no) },
  { label: x.image, wide: true, cell: (d) => <Named kind="image" id={d.image_id} /> },
]

/** DisksTab lists the disks of a machine. */
export function Component() {
  const m = useMachine()
  const list = useList('/api/v1/disks', { always: [`machine=${m.id}`] })
  return (
    <>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(d) => d.id}
        empty={<Empty title={x.none}>{x.noneBody}</Empty>}
      />
      <Content component="p" className="atoll-small">
        {x.grow}
      </Content>
    </>
  )
}
