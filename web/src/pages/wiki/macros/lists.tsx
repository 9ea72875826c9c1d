import { useSuspenseQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { type ItemOf, type ListPath, listQuery } from '@/lists'
import { pathOf, paths } from '@/paths'
import { t } from '@/text'
import { type Column, DataTable } from '@/ui/DataTable'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import type { Args } from './Macro'
import { useID } from './named'

type Wanted = [field: string, value: string | undefined][]

// A list of a page: the newest, or the first by name, under the macro's conditions.
function Rows<P extends ListPath>(p: {
  path: P
  label: string
  wanted: Wanted
  args: Args
  sort: string
  columns: Column<ItemOf<P>>[]
}) {
  const filter = p.wanted.filter(([, v]) => v).map(([f, v]) => `${f}=${v}`)
  const list = useSuspenseQuery(listQuery(p.path, { limit: p.args.limit ?? 10, sort: p.sort, filter })).data
  if (list.items.length === 0) return <p className="atoll-small">{t.macro.nothing}</p>
  return (
    <DataTable label={p.label} columns={p.columns} rows={list.items} rowKey={(row) => (row as { id: string }).id} />
  )
}

const machineColumns: Column<Schemas['Machine']>[] = [
  { label: t.machines.name, cell: (m) => <Link to={paths.machine(m.id)}>{m.name}</Link> },
  { label: t.machines.state, cell: (m) => <StateLabel state={m.state} reason={m.reason} /> },
  { label: t.machines.address, cell: (m) => <code>{m.address}</code> },
]

export function MachinesMacro({ args }: { args: Args }) {
  const account = useID('/accounts', args.account)
  const cloudspace = useID('/cloudspaces', args.cloudspace, { account: args.account })
  return (
    <Rows
      path="/api/v1/machines"
      label={t.machines.title}
      sort="name"
      args={args}
      wanted={[
        ['account', account],
        ['cloudspace', cloudspace],
        ['state', args.state],
      ]}
      columns={machineColumns}
    />
  )
}

const nodeColumns: Column<Schemas['Node']>[] = [
  { label: t.machines.name, cell: (n) => <Link to={paths.node(n.id)}>{n.name}</Link> },
  { label: t.machines.state, cell: (n) => <StateLabel state={n.state} reason={n.reason} /> },
  { label: t.macro.role, cell: (n) => n.roles.join(', ') },
]

export function NodesMacro({ args }: { args: Args }) {
  const location = useID('/locations', args.location)
  return (
    <Rows
      path="/api/v1/nodes"
      label={t.nodes.title}
      sort="name"
      args={args}
      wanted={[
        ['role', args.role],
        ['state', args.state],
        ['location', location],
      ]}
      columns={nodeColumns}
    />
  )
}

const deploymentColumns: Column<Schemas['Deployment']>[] = [
  { label: t.machines.name, cell: (d) => <Link to={paths.deployment(d.id)}>{d.name}</Link> },
  { label: t.machines.state, cell: (d) => <StateLabel state={d.state} reason={d.message} /> },
  {
    label: t.macro.links,
    cell: (d) => (
      <>
        {d.links.map((l) => (
          <a key={l.name + l.url} href={l.url} target="_blank" rel="noreferrer">
            {l.name}{' '}
          </a>
        ))}
      </>
    ),
  },
]

export function DeploymentsMacro({ args }: { args: Args }) {
  const account = useID('/accounts', args.account)
  const project = useID('/projects', args.project, { account: args.account })
  return (
    <Rows
      path="/api/v1/deployments"
      label={t.deployments.title}
      sort="name"
      args={args}
      wanted={[
        ['account', account],
        ['project', project],
        ['state', args.state],
      ]}
      columns={deploymentColumns}
    />
  )
}

const operationColumns: Column<Schemas['Operation']>[] = [
  { label: t.macro.action, cell: (o) => <Link to={paths.operation(o.id)}>{t.tasks.name(o.kind)}</Link> },
  { label: t.machines.name, cell: (o) => o.subject_name },
  { label: t.machines.state, cell: (o) => <StateLabel state={o.state} reason={o.error} /> },
  { label: t.pages.when, cell: (o) => <Time value={o.created_at} /> },
]

export function OperationsMacro({ args }: { args: Args }) {
  const account = useID('/accounts', args.account)
  return (
    <Rows
      path="/api/v1/operations"
      label={t.operations.title}
      sort="-created_at"
      args={args}
      wanted={[
        ['account', account],
        ['state', args.state],
      ]}
      columns={operationColumns}
    />
  )
}

const eventColumns: Column<Schemas['Event']>[] = [
  { label: t.pages.when, cell: (e) => <Time value={e.at} /> },
  { label: t.pages.by, cell: (e) => e.actor_name || e.actor },
  { label: t.macro.action, cell: (e) => e.action },
  {
    label: t.machines.name,
    cell: (e) => {
      const to = pathOf(e.subject_kind, e.subject_id)
      return to ? <Link to={to}>{e.subject_name}</Link> : e.subject_name
    },
  },
]

export function EventsMacro({ args }: { args: Args }) {
  const account = useID('/accounts', args.account)
  return (
    <Rows
      path="/api/v1/events"
      label={t.events.title}
      sort="-seq"
      args={args}
      wanted={[
        ['account', account],
        ['subject_kind', args.kind],
      ]}
      columns={eventColumns}
    />
  )
}

const jobColumns: Column<Schemas['Job']>[] = [
  { label: t.macro.action, cell: (j) => <Link to={paths.job(j.id)}>{j.action}</Link> },
  { label: t.machines.state, cell: (j) => <StateLabel state={j.state} reason={j.error} /> },
  { label: t.pages.when, cell: (j) => <Time value={j.created_at} /> },
]

export function JobsMacro({ args }: { args: Args }) {
  const node = useID('/nodes', args.node)
  const script = useID('/scripts', args.script)
  return (
    <Rows
      path="/api/v1/jobs"
      label={t.jobs.title}
      sort="-created_at"
      args={args}
      wanted={[
        ['node', node],
        ['script', script],
        ['state', args.state],
      ]}
      columns={jobColumns}
    />
  )
}
