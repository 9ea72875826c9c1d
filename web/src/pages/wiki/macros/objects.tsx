import { useSuspenseQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { api } from '@/api/client'
import { count } from '@/format'
import { pathOf } from '@/paths'
import { t } from '@/text'
import { type Column, DataTable } from '@/ui/DataTable'
import { StateLabel } from '@/ui/StateLabel'
import type { Args } from './Macro'
import { useID } from './named'

/** split is parent and name of what is written as parent/name. */
export function split(text: string): [parent: string | undefined, name: string] {
  const at = text.indexOf('/')
  return at < 0 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)]
}

/** StatusMacro is the state of one object, as a link to it. */
export function StatusMacro({ args }: { args: Args }) {
  if (args.deployment) return <DeploymentStatus name={args.deployment} account={args.account} />
  if (args.machine) return <MachineStatus name={args.machine} account={args.account} />
  return <NodeStatus name={args.node ?? ''} />
}

// Each reads by id, so that the feed keeps it fresh.
function DeploymentStatus({ name, account }: { name: string; account?: string }) {
  const [project, own] = split(name)
  const deployment = useID('/deployments', own, { project, account })
  const params = { path: { deployment } }
  const d = useSuspenseQuery(api.queryOptions('get', '/api/v1/deployments/{deployment}', { params })).data
  return <Shown kind="deployment" id={d.id} name={d.name} state={d.state} reason={d.message} />
}

function MachineStatus({ name, account }: { name: string; account?: string }) {
  const [cloudspace, own] = split(name)
  const machine = useID('/machines', own, { cloudspace, account })
  const params = { path: { machine } }
  const m = useSuspenseQuery(api.queryOptions('get', '/api/v1/machines/{machine}', { params })).data
  return <Shown kind="machine" id={m.id} name={m.name} state={m.state} reason={m.reason} />
}

function NodeStatus({ name }: { name: string }) {
  const node = useID('/nodes', name)
  const params = { path: { node } }
  const n = useSuspenseQuery(api.queryOptions('get', '/api/v1/nodes/{node}', { params })).data
  return <Shown kind="node" id={n.id} name={n.name} state={n.state} reason={n.reason} />
}

function Shown(o: { kind: string; id: string; name: string; state: string; reason?: string }) {
  return (
    <>
      <Link to={pathOf(o.kind, o.id) ?? ''}>{o.name}</Link> <StateLabel state={o.state} reason={o.reason} />
    </>
  )
}

/** LinkMacro is a link to an object by its name. */
export function LinkMacro({ args }: { args: Args }) {
  const [parent, name] = split(args.name ?? '')
  const within = { account: args.account, ...parentOf(args.kind, parent) }
  const id = useID(`/${args.kind}s` as '/machines', name, within)
  return <Link to={pathOf(args.kind, id) ?? ''}>{args.label || args.name}</Link>
}

const parentOf = (kind: string | undefined, parent: string | undefined) =>
  kind === 'machine' ? { cloudspace: parent } : kind === 'deployment' ? { project: parent } : {}

const columns: Column<{ resource: string; amount: number; limit: number }>[] = [
  { label: t.macro.resource, cell: (q) => q.resource },
  { label: t.macro.used, numeric: true, cell: (q) => count(q.amount) },
  { label: t.macro.limit, numeric: true, cell: (q) => (q.limit < 0 ? t.form.unlimited : count(q.limit)) },
]

/** QuotaMacro is what an account uses and may use. */
export function QuotaMacro({ args }: { args: Args }) {
  const account = useID('/accounts', args.account)
  const params = { path: { account } }
  const quota = useSuspenseQuery(api.queryOptions('get', '/api/v1/accounts/{account}/quota', { params })).data
  return <DataTable label={t.form.quota} columns={columns} rows={quota.items} rowKey={(q) => q.resource} />
}
