import { Breadcrumb, BreadcrumbItem, Button, Flex } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { lazy, Suspense, useState } from 'react'
import { Link, type LoaderFunctionArgs, useNavigate, useParams, useSearchParams } from 'react-router'
import { ApiError, api, client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { paths } from '@/paths'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { PageBody } from './PageBody'

const Editor = lazy(() => import('./Editor'))
const History = lazy(() => import('./History'))

const x = t.pages

const pageQuery = (space: string, slug: string) =>
  api.queryOptions('get', '/api/v1/pages/{page}', { params: { path: { page: slug }, query: { space } } })
const htmlQuery = (page: string) => api.queryOptions('get', '/api/v1/pages/{page}/html', { params: { path: { page } } })

const slugOf = (rest?: string) => (rest ?? '').replace(/\/$/, '') || 'index'

// A page that is not there is no error: somebody may want to write it.
async function find(space: string, slug: string) {
  try {
    return await queries.fetchQuery({ ...pageQuery(space, slug), staleTime: 0 })
  } catch (e) {
    if (e instanceof ApiError && e.problem.status === 404) return undefined
    throw e
  }
}

export async function loader({ params }: LoaderFunctionArgs) {
  const space = params.space ?? ''
  const page = await find(space, slugOf(params['*']))
  if (page) await queries.fetchQuery({ ...htmlQuery(page.id), staleTime: 0 })
  else await queries.ensureQueryData(api.queryOptions('get', '/api/v1/spaces/{space}', { params: { path: { space } } }))
  return { page: page?.id }
}

/** WikiPage shows a page that somebody wrote, its editor or its history. */
export function Component() {
  const params = useParams()
  const [search] = useSearchParams()
  const space = params.space ?? ''
  const slug = slugOf(params['*'])
  const page = queries.getQueryData<Schemas['WikiPage']>(pageQuery(space, slug).queryKey)
  return (
    <Suspense fallback={t.loading}>
      {search.has('edit') ? (
        <Editor key={slug} space={space} slug={slug} page={page} />
      ) : !page ? (
        <Missing space={space} slug={slug} />
      ) : search.has('history') ? (
        <History id={page.id} space={space} slug={slug} />
      ) : (
        <Shown key={page.id} id={page.id} space={space} slug={slug} />
      )}
    </Suspense>
  )
}

function Missing({ space, slug }: { space: string; slug: string }) {
  const navigate = useNavigate()
  return (
    <Page title={slug}>
      <Empty
        title={x.missing(slug)}
        actions={<Button onClick={() => navigate(`${paths.page(space, slug)}?edit`)}>{x.create}</Button>}
      >
        {x.missingBody}
      </Empty>
    </Page>
  )
}

function Shown({ id, space, slug }: { id: string; space: string; slug: string }) {
  const navigate = useNavigate()
  const page = useSuspenseQuery(
    api.queryOptions('get', '/api/v1/pages/{page}', { params: { path: { page: id } } }),
  ).data
  const html = useSuspenseQuery(htmlQuery(id)).data
  const [deleting, setDeleting] = useState(false)
  return (
    <Page
      title={page.title}
      lead={
        <span className="atoll-small">
          {x.saved(page.author ?? '')} <Time value={page.updated_at} /> ·{' '}
          <Link to="?history">{x.revision(page.revision)}</Link>
        </span>
      }
      actions={
        <Flex>
          {page.may_write && <Button onClick={() => navigate('?edit')}>{t.edit}</Button>}
          <Menu
            name={t.actionsOf(page.title)}
            actions={[
              { label: x.history, onClick: () => navigate('?history') },
              {
                label: t.delete,
                danger: true,
                blocked: page.may_write ? undefined : t.error.hint.denied,
                onClick: () => setDeleting(true),
              },
            ]}
          />
        </Flex>
      }
    >
      <Breadcrumb>
        <BreadcrumbItem>
          <Link to={paths.space(space)}>{page.space}</Link>
        </BreadcrumbItem>
        {slug.split('/').map((part, i, all) => (
          <BreadcrumbItem key={all.slice(0, i + 1).join('/')} isActive={i === all.length - 1}>
            {part}
          </BreadcrumbItem>
        ))}
      </Breadcrumb>
      <PageBody html={html.html} />
      {deleting && (
        <ConfirmDelete
          kind={x.one}
          name={page.slug}
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await client.DELETE('/api/v1/pages/{page}', { params: { path: { page: id } } })
            navigate(paths.space(space))
          }}
        />
      )}
    </Page>
  )
}
