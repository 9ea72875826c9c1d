import { Link } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { listLoader, useList } from '@/lists'
import { Catalogue } from '@/pages/sizes/Catalogue'
import { paths } from '@/paths'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
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
  const list = useList('/api/v1/locations', options)
  return (
    <Catalogue
      text={x}
      list={list}
      columns={columns}
      createAt={paths.locationCreate}
      at={paths.location}
      onDelete={(location) =>
        client.DELETE('/api/v1/locations/{location}', {
          params: { path: { location: location.id }, header: ifMatch(location.version) },
        })
      }
    />
  )
}
