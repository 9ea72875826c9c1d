// The node that a page and its tabs are about, and what is placed on nodes.
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useParams } from 'react-router'
import { api, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { t } from '@/text'

export const nodeQuery = (node: string) =>
  api.queryOptions('get', '/api/v1/nodes/{node}', { params: { path: { node } } })

/** loadNode reads the node of the address; one that is not there is the page “not found”. */
export const loadNode = ({ params }: LoaderFunctionArgs) => queries.ensureQueryData(nodeQuery(params.node ?? ''))

/** useNodeQuery is the node as it was seen last, and the error of the last reading. */
export const useNodeQuery = () => useSuspenseQuery(nodeQuery(useParams().node ?? ''))

/** useNode is the node of the page's address. */
export const useNode = () => useNodeQuery().data

/** rolesOf is what nodes offer, in words. */
export const rolesOf = (roles: string[]) =>
  Object.keys(t.nodes.role).every((r) => roles.includes(r))
    ? t.nodes.allRoles
    : roles.map((r) => t.nodes.role[r] ?? r).join(', ')

/** capacityQuery is what is placed on each node of what it has. */
export const capacityQuery = api.queryOptions('get', '/api/v1/capacity')

/** measures are the resources of a node's capacity. */
export const measures = ['memory_mib', 'vcpus', 'disk_gib'] as const
export type Measure = (typeof measures)[number]

/** shareOf is how much of a capacity is placed, in percent. */
export const shareOf = (q: Pick<Schemas['Quota'], 'amount' | 'limit'>) =>
  q.limit > 0 ? Math.round((q.amount / q.limit) * 100) : 0

/** totals are the sums over all nodes. */
export function totals(items: Schemas['Quota'][]): Schemas['Quota'][] {
  return measures.map((resource) => {
    const all = items.filter((q) => q.resource === resource)
    const sum = (pick: (q: Schemas['Quota']) => number) => all.reduce((n, q) => n + pick(q), 0)
    return { scope_kind: 'node', scope_id: '', resource, amount: sum((q) => q.amount), limit: sum((q) => q.limit) }
  })
}
