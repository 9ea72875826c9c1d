import { Button, Content, FormSelect, FormSelectOption, Label, Title } from '@patternfly/react-core'
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table'
import { useQuery, useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, type LoaderFunctionArgs, useNavigate, useParams, useSearchParams } from 'react-router'
import { client, isGone, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import type { Schema } from '@/form/SchemaFields'
import { bytes } from '@/format'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Copyable } from '@/ui/Copyable'
import { type Column, DataTable } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { Facts } from '@/ui/Facts'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { Time } from '@/ui/Time'
import { diff } from './diff'
import { Difference, Source } from './Source'
import { revisionsQuery, scriptQuery, sourceQuery } from './script'

type Script = Schemas['Script']

const x = t.scripts

export const loader = async ({ params }: LoaderFunctionArgs) => {
  const id = params.script ?? ''
  void queries.prefetchQuery(sourceQuery(id))
  void queries.prefetchQuery(revisionsQuery(id))
  return queries.ensureQueryData(scriptQuery(id))
}

/** ScriptPage is one revision of a script: what it takes, its text, and how it came to be so. */
export function Component() {
  const id = useParams().script ?? ''
  const { data: s, error } = useSuspenseQuery(scriptQuery(id))
  const navigate = useNavigate()
  const blocked = isOperator(useMe()) ? undefined : t.onlyOperators
  const [deleting, setDeleting] = useState(false)
  const name = encodeURIComponent(s.name)
  if (isGone(error))
    return (
      <Page title={s.name}>
        <Empty title={x.gone} actions={<Link to={paths.scripts}>{x.back}</Link>} />
      </Page>
    )
  return (
    <Page
      title={s.name}
      label={
        <Label isCompact>
          {x.revision} {s.revision}
          {s.current ? `, ${x.current}` : ''}
        </Label>
      }
      lead={s.header.description && <bdi>{s.header.description}</bdi>}
      actions={
        <div className="atoll-buttons">
          <Button
            isAriaDisabled={blocked !== undefined}
            title={blocked}
            onClick={() => blocked === undefined && navigate(`${paths.run}?script=${name}`)}
          >
            {x.run}
          </Button>
          <Menu
            name={t.actionsOf(s.name)}
            label={t.actions}
            actions={[
              { label: x.schedule, blocked, onClick: () => navigate(`${paths.scheduleCreate}?script=${name}`) },
              { label: x.uploadRevision, blocked, onClick: () => navigate(`${paths.scriptCreate}?name=${name}`) },
              { label: t.delete, danger: true, blocked, onClick: () => setDeleting(true) },
            ]}
          />
        </div>
      }
    >
      <section className="atoll-part">
        <Header s={s} />
      </section>
      <section className="atoll-part">
        <Title headingLevel="h2">{x.parameters}</Title>
        <Parameters schema={s.header.parameters as Schema | undefined} />
      </section>
      <Text s={s} />
      <Revisions s={s} />
      {deleting && (
        <ConfirmDelete
          kind={x.one}
          name={s.name}
          onClose={() => setDeleting(false)}
          onConfirm={async () => {
            await client.DELETE('/api/v1/scripts/{script}', { params: { path: { script: s.id } } })
            navigate(paths.scripts)
          }}
        >
          {x.deleting}
        </ConfirmDelete>
      )}
    </Page>
  )
}

function Header({ s }: { s: Script }) {
  const h = s.header
  return (
    <Facts
      items={[
        [x.roles, h.roles?.map((r) => t.nodes.role[r] ?? r).join(', ') || undefined],
        [x.every, (h.every && t.schedules.every(h.every)) || (h.cron && t.schedules.cron(h.cron, h.timezone ?? 'UTC'))],
        [x.timeout, h.timeout || undefined],
        [x.kind, h.kind || undefined],
        [x.queue, h.queue || undefined],
        [x.size, bytes(s.size)],
        [x.uploaded, <Time key="uploaded" value={s.created_at} />],
        [x.sha256, <Copyable key="sum" text={s.sha256} label={x.sha256} />],
      ]}
    />
  )
}

function Parameters({ schema }: { schema?: Schema }) {
  const all = Object.entries(schema?.properties ?? {})
  if (all.length === 0) return <p>{x.noParameters}</p>
  return (
    <Table variant="compact" aria-label={x.parameters} className="atoll-table">
      <Thead>
        <Tr>
          <Th>{x.parameter}</Th>
          <Th>{x.type}</Th>
          <Th>{x.required}</Th>
          <Th>{x.description}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {all.map(([name, p]) => (
          <Tr key={name}>
            <Td dataLabel={x.parameter}>
              <code>{name}</code>
            </Td>
            <Td dataLabel={x.type}>{p.enum ? p.enum.join(', ') : (p.type ?? t.none)}</Td>
            <Td dataLabel={x.required}>{schema?.required?.includes(name) ? t.yes : t.no}</Td>
            <Td dataLabel={x.description}>{p.description ?? t.none}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  )
}

// The text as it is, or what differs from another revision.
function Text({ s }: { s: Script }) {
  const [params, setParams] = useSearchParams()
  const other = params.get('compare') ?? ''
  const source = useQuery(sourceQuery(s.id))
  const before = useQuery({ ...sourceQuery(other), enabled: other !== '' })
  const revisions = useQuery(revisionsQuery(s.id)).data?.items ?? []
  const error = source.error ?? before.error
  const lines = other && source.data !== undefined && before.data !== undefined ? diff(before.data, source.data) : []
  const n = (sign: string) => lines.filter((l) => l.sign === sign).length
  return (
    <section className="atoll-part" aria-label={x.source}>
      <div className="atoll-map-tools">
        <Title headingLevel="h2">{x.source}</Title>
        {revisions.length > 1 && (
          <FormSelect
            className="atoll-narrow"
            aria-label={x.compare}
            value={other}
            onChange={(_, v) => setParams(v ? { compare: v } : {}, { replace: true, preventScrollReset: true })}
          >
            <FormSelectOption value="" label={`${x.compare} …`} />
            {revisions
              .filter((r) => r.id !== s.id)
              .map((r) => (
                <FormSelectOption key={r.id} value={r.id} label={`${x.compare} ${x.revision} ${r.revision}`} />
              ))}
          </FormSelect>
        )}
      </div>
      {error && <ErrorView error={error as Error} />}
      {other && lines.length > 0 && (
        <Content component="p" role="status">
          {n('+') + n('-') > 0 ? x.added(n('+'), n('-')) : x.same}
        </Content>
      )}
      {other ? (
        <Difference lines={lines} label={x.source} />
      ) : (
        source.data !== undefined && <Source text={source.data} label={x.source} />
      )}
    </section>
  )
}

const columns: Column<Script>[] = [
  {
    label: x.revision,
    cell: (r) => (
      <>
        <Link to={paths.script(r.id)}>{r.revision}</Link> {r.current && <Label isCompact>{x.current}</Label>}
      </>
    ),
  },
  { label: x.uploaded, cell: (r) => <Time value={r.created_at} /> },
  { label: x.size, wide: true, numeric: true, cell: (r) => bytes(r.size) },
  { label: x.sha256, wide: true, cell: (r) => <code>{r.sha256.slice(0, 12)}</code> },
]

function Revisions({ s }: { s: Script }) {
  const list = useQuery(revisionsQuery(s.id))
  return (
    <section className="atoll-part">
      <Title headingLevel="h2">{x.revisions}</Title>
      {list.error && <ErrorView error={list.error as unknown as Error} />}
      <DataTable
        label={x.revisions}
        columns={columns}
        rows={list.data?.items ?? []}
        loading={list.isPending}
        rowKey={(r) => r.id}
      />
    </section>
  )
}
