import { Button } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { api, client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { listQuery } from '@/lists'
import { paths } from '@/paths'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { SpaceForm } from './SpaceForm'

const x = t.pages
const spaceQuery = (space: string) => api.queryOptions('get', '/api/v1/spaces/{space}', { params: { path: { space } } })
const pagesQuery = (space: string) =>
  listQuery('/api/v1/pages', { limit: 1000, sort: 'slug', filter: [`space=${space}`] })

export async function loader({ params }: LoaderFunctionArgs) {
  const id = params.space ?? ''
  return Promise.all([queries.ensureQueryData(spaceQuery(id)), queries.ensureQueryData(pagesQuery(id))])
}

/** SpacePage shows what pages a space has, as the tree of their paths. */
export function Component() {
  const id = useParams().space ?? ''
  const navigate = useNavigate()
  const space = useSuspenseQuery(spaceQuery(id)).data
  const pages = useSuspenseQuery(pagesQuery(id)).data.items
  const [open, setOpen] = useState<'edit' | 'delete'>()
  const write = space.may_write && (
    <Button onClick={() => navigate(`${paths.page(id, 'new-page')}?edit`)}>{x.create}</Button>
  )
  return (
    <Page
      title={space.title}
      lead={space.description}
      actions={
        <>
          {write}
          {space.may_manage && (
            <Menu
              name={t.actionsOf(space.title)}
              actions={[
                { label: t.edit, onClick: () => setOpen('edit') },
                { label: t.delete, danger: true, onClick: () => setOpen('delete') },
              ]}
            />
          )}
        </>
      }
    >
      {pages.length === 0 ? <Empty title={t.list.empty} actions={write} /> : <Tree pages={pages} />}
      {open === 'edit' && <SpaceForm space={space} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && (
        <ConfirmDelete
          kind={x.space}
          name={space.name}
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            const params = { path: { space: id }, query: { force: true } }
            await client.DELETE('/api/v1/spaces/{space}', { params })
            navigate(paths.spaces)
          }}
        >
          {x.deleteSpace}
        </ConfirmDelete>
      )}
    </Page>
  )
}

// Pages come sorted by path, so that the depth alone makes the tree; the first page
// of the space stands before all.
function Tree({ pages }: { pages: Schemas['WikiPage'][] }) {
  const first = pages.filter((p) => p.slug === 'index')
  return (
    <ul className="atoll-plain">
      {[...first, ...pages.filter((p) => p.slug !== 'index')].map((p) => (
        <li key={p.id} style={{ paddingInlineStart: `${(p.slug.split('/').length - 1) * 1.5}rem` }}>
          <Link to={paths.page(p.space_id, p.slug)}>
            <bdi>{p.title}</bdi>
          </Link>{' '}
          <span className="atoll-small">
            {p.slug} · <Time value={p.updated_at} /> · {p.author}
          </span>
        </li>
      ))}
    </ul>
  )
}
