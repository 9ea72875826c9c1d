import { Button } from '@patternfly/react-core'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { listLoader, useList } from '@/lists'
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

type Location = Schemas['Location']

const x = t.locations
const options = {} as const

export const loader = listLoader('/api/v1/locations', options)

const columns: Column<Location>[] = [
  { label: x.name, cell: (l) => l.name },
  { label: x.description, cell: (l) => <bdi>{l.description || t.none}</bdi> },
  { label: x.nodes, cell: (l) => <Link to={`${paths.nodes}?location=${l.id}`}>{x.seeNodes}</Link> },
  { label: x.created, wide: true, cell: (l) => <Time value={l.created_at} /> },
]

/** LocationsPage lists the places with nodes. */
export function Component() {
  const blocked = isOperator(useMe()) ? undefined : t.onlyOperators
  const navigate = useNavigate()
  const list = useList('/api/v1/locations', options)
  const [deleting, setDeleting] = useState<Location>()
  const create = !blocked && <Button component={(p) => <Link {...p} to={paths.locationCreate} />}>{x.create}</Button>
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(l) => l.id}
        empty={<Empty title={t.list.empty} actions={create} />}
        actions={(l) => (
          <Menu
            name={t.actionsOf(l.name)}
            actions={[
              { label: t.edit, blocked, onClick: () => navigate(part(paths.location(l.id), 'edit')) },
              { label: t.delete, danger: true, blocked, onClick: () => setDeleting(l) },
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
            client.DELETE('/api/v1/locations/{location}', {
              params: { path: { location: deleting.id }, header: ifMatch(deleting.version) },
            })
          }
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}
