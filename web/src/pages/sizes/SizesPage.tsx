import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { mebibytes } from '@/format'
import { listLoader, useList } from '@/lists'
import { amountOf } from '@/pages/usage/resources'
import { part, paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'

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
  const blocked = isOperator(useMe()) ? undefined : t.onlyOperators
  const navigate = useNavigate()
  const list = useList('/api/v1/sizes', options)
  const [deleting, setDeleting] = useState<Size>()
  const create = !blocked && <Button component={(p) => <Link {...p} to={paths.sizeCreate} />}>{x.create}</Button>
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(z) => z.id}
        empty={<Empty title={t.list.empty} actions={create} />}
        actions={(z) => (
          <Menu
            name={t.actionsOf(z.name)}
            actions={[
              { label: t.edit, blocked, onClick: () => navigate(part(paths.size(z.id), 'edit')) },
              { label: t.delete, danger: true, blocked, onClick: () => setDeleting(z) },
            ]}
          />
        )}
      />
      {deleting && (
        <ConfirmDelete
          kind={x.one}
          name={deleting.name}
          onClose={() => setDeleting(undefined)}
          onConfirm={() =>
            client.DELETE('/api/v1/sizes/{size}', {
              params: { path: { size: deleting.id }, header: ifMatch(deleting.version) },
            })
          }
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}
