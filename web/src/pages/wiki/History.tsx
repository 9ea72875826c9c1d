import { Button, CodeBlock, CodeBlockCode, Label, Modal, ModalBody, ModalHeader } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { api, client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { toast } from '@/frame/toasts'
import { listQuery } from '@/lists'
import { paths } from '@/paths'
import { t } from '@/text'
import { type Column, DataTable } from '@/ui/DataTable'
import { ErrorView } from '@/ui/ErrorView'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'

const x = t.pages

/** History lists how a page was before, what each change was, and brings an old one back. */
export default function History({ id, space, slug }: { id: string; space: string; slug: string }) {
  const page = queries.getQueryData<Schemas['WikiPage']>(
    api.queryOptions('get', '/api/v1/pages/{page}', { params: { path: { page: slug }, query: { space } } }).queryKey,
  )
  const list = useQuery(listQuery('/api/v1/pages/{page}/revisions', { limit: 200 }, { page: id }))
  const [compared, compare] = useState<number>()
  const restore = (n: number) =>
    client
      .POST('/api/v1/pages/{page}/revisions/{number}/restore', { params: { path: { page: id, number: n } } })
      .catch((e: Error) => toast('danger', t.error.title, { body: e.message }))
  const columns: Column<Schemas['WikiRevision']>[] = [
    {
      label: x.revision(0).replace(' 0', ''),
      cell: (r) => (
        <>
          {r.number} {r.current && <Label isCompact>{x.current}</Label>}
        </>
      ),
    },
    { label: x.when, cell: (r) => <Time value={r.created_at} /> },
    { label: x.by, cell: (r) => r.author },
    {
      label: x.comment,
      cell: (r) => [r.restored_from && x.restoredFrom(r.restored_from), r.comment].filter(Boolean).join('; ') || t.none,
    },
  ]
  return (
    <Page title={`${x.history}: ${page?.title ?? slug}`} actions={<Link to={paths.page(space, slug)}>{t.close}</Link>}>
      {list.error && <ErrorView error={list.error} />}
      <DataTable
        label={x.history}
        columns={columns}
        rows={list.data?.items ?? []}
        loading={list.isPending}
        rowKey={(r) => String(r.number)}
        actions={(r) => (
          <>
            <Button variant="link" isInline onClick={() => compare(r.number)}>
              {x.compare}
            </Button>{' '}
            {!r.current && page?.may_write && (
              <Button variant="link" isInline onClick={() => restore(r.number)}>
                {x.restore}
              </Button>
            )}
          </>
        )}
      />
      {compared !== undefined && <Compared id={id} n={compared} onClose={() => compare(undefined)} />}
    </Page>
  )
}

function Compared({ id, n, onClose }: { id: string; n: number; onClose: () => void }) {
  const params = { path: { page: id, number: n } }
  const diff = useQuery(api.queryOptions('get', '/api/v1/pages/{page}/revisions/{number}/diff', { params }))
  return (
    <Modal isOpen variant="large" onClose={onClose} aria-labelledby="diff-title">
      <ModalHeader
        title={x.revision(n)}
        labelId="diff-title"
        description={diff.data && x.added(diff.data.added, diff.data.removed)}
      />
      <ModalBody>
        {diff.error && <ErrorView error={diff.error as unknown as Error} />}
        {diff.data && (
          <CodeBlock>
            <CodeBlockCode>{diff.data.unified || x.same}</CodeBlockCode>
          </CodeBlock>
        )}
      </ModalBody>
    </Modal>
  )
}
