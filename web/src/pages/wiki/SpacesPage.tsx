import { Button, Card, CardBody, CardTitle, SearchInput } from '@patternfly/react-core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import { listLoader, listQuery, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { canWriteSomewhere, useMe } from '@/session'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { Page } from '@/ui/Page'
import { SpaceForm } from './SpaceForm'

const x = t.pages
const options = { sort: 'name', limit: 100 } as const

export const loader = listLoader('/api/v1/spaces', options)

/** SpacesPage shows the spaces of pages as cards, and searches all pages. */
export function Component() {
  const me = useMe()
  const list = useList('/api/v1/spaces', options)
  const [params, setParams] = useSearchParams()
  const q = params.get('q') ?? ''
  const [text, setText] = useDebounced(q, (v) => setParams(v ? { q: v } : {}, { replace: true }))
  const [creating, setCreating] = useState(false)
  const create = canWriteSomewhere(me) && <Button onClick={() => setCreating(true)}>{x.spaceCreate}</Button>
  return (
    <Page title={x.title} lead={x.about} actions={create}>
      <div className="atoll-stack">
        <SearchInput
          className="atoll-form"
          aria-label={x.search}
          placeholder={x.search}
          value={text}
          onChange={(_, v) => setText(v)}
          onClear={() => setText('')}
        />
        {list.error && <ErrorView error={list.error} />}
        {q ? (
          <Hits q={q} />
        ) : list.items.length === 0 && !list.loading ? (
          <Empty title={t.list.empty} actions={create} />
        ) : (
          <div className="atoll-grid">
            {list.items.map((s) => (
              <Card key={s.id} isCompact>
                <CardTitle component="h2">
                  <Link to={paths.space(s.id)}>
                    <bdi>{s.title}</bdi>
                  </Link>
                </CardTitle>
                <CardBody>
                  <p className="atoll-text">{s.description}</p>
                  <p className="atoll-small">
                    {x.count(s.pages)} · {x.readersOf[s.readers]}
                  </p>
                </CardBody>
              </Card>
            ))}
          </div>
        )}
      </div>
      {creating && <SpaceForm onClose={() => setCreating(false)} />}
    </Page>
  )
}

function Hits({ q }: { q: string }) {
  const found = useQuery({
    ...listQuery('/api/v1/pages', { limit: 50, q }),
    placeholderData: keepPreviousData,
  })
  if (found.error) return <ErrorView error={found.error} />
  if (found.data?.items.length === 0) return <Empty title={t.list.noMatch}>{t.list.noMatchBody}</Empty>
  return (
    <ul className="atoll-plain">
      {found.data?.items.map((p) => (
        <li key={p.id}>
          <Link to={paths.page(p.space_id, p.slug)}>{p.title}</Link>{' '}
          <span className="atoll-small">
            {p.space} / {p.slug}
          </span>
          <p className="atoll-text">{p.excerpt}</p>
        </li>
      ))}
    </ul>
  )
}
