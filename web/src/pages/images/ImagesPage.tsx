import { Button, Card, CardBody, CardHeader, CardTitle, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { bytes, mebibytes } from '@/format'
import { type ListOptions, listLoader, useDebounced, useList } from '@/lists'
import { Named } from '@/names'
import { paths } from '@/paths'
import { canWriteSomewhere, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { useView } from '@/view'

type Image = Schemas['Image']

const x = t.images

// Images of the installation show in every account, so that no account limits the list.
const options = { search: 'name', filters: ['state'], sort: 'name' } satisfies ListOptions

export const loader = listLoader('/api/v1/images', options)

const owner = (i: Image) => (i.account_id ? <Named kind="account" id={i.account_id} /> : x.everybody)

const columns: Column<Image>[] = [
  { label: x.name, sort: 'name', cell: (i) => <Link to={paths.image(i.id)}>{i.name}</Link> },
  { label: x.state, cell: (i) => <StateLabel state={i.state} reason={i.reason} /> },
  { label: x.description, wide: true, cell: (i) => <bdi>{i.description}</bdi> },
  { label: x.file, numeric: true, cell: (i) => bytes(i.size) },
  { label: x.disk, numeric: true, wide: true, cell: (i) => mebibytes(i.virtual_mib) },
  { label: x.owner, wide: true, cell: owner },
  { label: x.created, sort: 'created_at', wide: true, cell: (i) => <Time value={i.created_at} /> },
]

/** ImagesPage shows what machines can start from, as cards or as a list. */
export function Component() {
  const list = useList('/api/v1/images', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  const [view, setView] = useView('images')
  const create = canWriteSomewhere(useMe()) && (
    <Button component={(p) => <Link {...p} to={paths.imageCreate} />}>{x.create}</Button>
  )
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(i) => i.id}
        search={{ value: q, onChange: setQ, by: x.name }}
        tools={
          <>
            <FilterSelect
              label={x.state}
              value={list.filter('state')}
              options={['ready', 'creating', 'disabled', 'failed']}
              onChange={(v) => list.setFilter('state', v)}
            />
            <ToggleGroup aria-label={t.cloudspaces.view}>
              <ToggleGroupItem
                text={t.cloudspaces.cards}
                isSelected={view === 'cards'}
                onChange={() => setView('cards')}
              />
              <ToggleGroupItem
                text={t.cloudspaces.list}
                isSelected={view === 'list'}
                onChange={() => setView('list')}
              />
            </ToggleGroup>
          </>
        }
        empty={
          <Empty title={t.list.empty} actions={create}>
            {x.about}
          </Empty>
        }
        cards={view === 'cards' ? (i) => <ImageCard i={i} /> : undefined}
      />
    </Page>
  )
}

function ImageCard({ i }: { i: Image }) {
  return (
    <Card isCompact isFullHeight>
      <CardHeader
        actions={{ actions: i.state === 'ready' ? undefined : <StateLabel state={i.state} reason={i.reason} /> }}
      >
        <CardTitle component="h2">
          <Link to={paths.image(i.id)}>
            <bdi className="atoll-text">{i.name}</bdi>
          </Link>
        </CardTitle>
      </CardHeader>
      <CardBody>
        {i.description && <bdi className="atoll-text">{i.description}</bdi>}
        <div className="atoll-small">
          {bytes(i.size)} · {owner(i)}
        </div>
      </CardBody>
    </Card>
  )
}
