import { useSuspenseQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { type ItemOf, type ListPath, listQuery } from '@/lists'
import { Links } from '@/pages/deployments/state'
import { pathOf, paths } from '@/paths'
import { t } from '@/text'
import { type Column, DataTable } from '@/ui/DataTable'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import type { Args } from './Macro'
import { useIDs } from './named'

// The arguments that are names: lists take their ids.
const named = {
  account: '/accounts',
  cloudspace: '/cloudspaces',
  location: '/locations',
  node: '/nodes',
  project: '/projects',
  script: '/scripts',
} as const
type Name = keyof typeof named
const isName = (arg: string): arg is Name => arg in named

type Options<P extends ListPath> = {
  path: P
  label: string
  /** the newest first, or by name */
  sort: string
  /** the arguments that narrow it */
  by: (Name | 'kind' | 'role' | 'state')[]
  columns: Column<ItemOf<P>>[]
}

// A list of a page, under the arguments' conditions.
function listMacro<P extends ListPath>({ path, label, sort, by, columns }: Options<P>) {
  return ({ args }: { args: Args }) => {
    const names = by.filter(isName)
    // Cloudspaces and projects have their names in an account.
    const within = (n: Name) => (n === 'cloudspace' || n === 'project' ? { account: args.account } : {})
    const ids = useIDs(names.map((n) => ({ kind: named[n], name: args[n], within: within(n) })))
    const filter = by.flatMap((arg) => {
      const value = isName(arg) ? ids[names.indexOf(arg)] : args[arg]
      return value ? [`${arg === 'kind' ? 'subject_kind' : arg}=${value}`] : []
    })
    const list = useSuspenseQuery(listQuery(path, { limit: args.limit ?? 10, sort, filter })).data
    if (list.items.length === 0) return <p className="atoll-small">{t.macro.nothing}</p>
    return <DataTable label={label} columns={columns} rows={list.items} rowKey={(row) => (row as { id: string }).id} />
  }
}

export const MachinesMacro = listMacro({
  path: '/api/v1/machines',
  label: t.machines.title,
  sort: 'name',
  by: ['account', 'cloudspace', 'state'],
  columns: [
    { label: t.machines.name, cell: (m) => <Link to={paths.machine(m.id)}>{m.name}</Link> },
    { label: t.machines.state, cell: (m) => <StateLabel state={m.state} reason={m.reason} /> },
    { label: t.machines.address, cell: (m) => <code>{m.address}</code> },
  ],
})

export const NodesMacro = listMacro({
  path: '/api/v1/nodes',
  label: t.nodes.title,
  sort: 'name',
  by: ['role', 'state', 'location'],
  columns: [
    { label: t.machines.name, cell: (n) => <Link to={paths.node(n.id)}>{n.name}</Link> },
    { label: t.machines.state, cell: (n) => <StateLabel state={n.state} reason={n.reason} /> },
    { label: t.macro.role, cell: (n) => n.roles.join(', ') },
  ],
})

export const DeploymentsMacro = listMacro({
  path: '/api/v1/deployments',
  label: t.deployments.title,
  sort: 'name',
  by: ['account', 'project', 'state'],
  columns: [
    { label: t.machines.name, cell: (d) => <Link to={paths.deployment(d.id)}>{d.name}</Link> },
    { label: t.machines.state, cell: (d) => <StateLabel state={d.state} reason={d.message} /> },
    { label: t.macro.links, cell: (d) => <Links d={d} /> },
  ],
})

export const OperationsMacro = listMacro({
  path: '/api/v1/operations',
  label: t.operations.title,
  sort: '-created_at',
  by: ['account', 'state'],
  columns: [
    { label: t.macro.action, cell: (o) => <Link to={paths.operation(o.id)}>{t.tasks.name(o.kind)}</Link> },
    { label: t.machines.name, cell: (o) => o.subject_name },
    { label: t.machines.state, cell: (o) => <StateLabel state={o.state} reason={o.error} /> },
    { label: t.pages.when, cell: (o) => <Time value={o.created_at} /> },
  ],
})

export const EventsMacro = listMacro({
  path: '/api/v1/events',
  label: t.events.title,
  sort: '-seq',
  by: ['account', 'kind'],
  columns: [
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
  ],
})

export const JobsMacro = listMacro({
  path: '/api/v1/jobs',
  label: t.jobs.title,
  sort: '-created_at',
  by: ['node', 'script', 'state'],
  columns: [
    { label: t.macro.action, cell: (j) => <Link to={paths.job(j.id)}>{j.action}</Link> },
    { label: t.machines.state, cell: (j) => <StateLabel state={j.state} reason={j.error} /> },
    { label: t.pages.when, cell: (j) => <Time value={j.created_at} /> },
  ],
})
