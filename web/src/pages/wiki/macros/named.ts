// Authors write names; the API's lists take ids.
import { useSuspenseQueries, useSuspenseQuery } from '@tanstack/react-query'
import { client } from '@/api/client'

type Named =
  | '/accounts'
  | '/cloudspaces'
  | '/locations'
  | '/machines'
  | '/nodes'
  | '/projects'
  | '/scripts'
  | '/deployments'

/** readNamed is an object by name, or by id, within what its name is unique in. */
export async function readNamed<T extends { id: string }>(kind: Named, name: string, within: Within = {}): Promise<T> {
  const get = client.GET as unknown as (path: string, init: object) => Promise<{ data: T }>
  const query = Object.fromEntries(Object.entries(within).filter(([, v]) => v))
  const path = `/api/v1${kind}/{name}`
  return (await get(path, { params: { path: { name }, query } })).data
}

type Within = Record<string, string | undefined>

const idQuery = (kind: Named, name: string | undefined, within: Within) => ({
  queryKey: ['named', kind, name ?? '', within],
  queryFn: async () => (name ? (await readNamed(kind, name, within)).id : ''),
  staleTime: 60_000,
})

/** useID is the id of what has the name; empty for no name. */
export const useID = (kind: Named, name: string | undefined, within: Within = {}) =>
  useSuspenseQuery(idQuery(kind, name, within)).data

/** useIDs is useID for several. */
export const useIDs = (list: { kind: Named; name?: string; within: Within }[]) =>
  useSuspenseQueries({ queries: list.map((n) => idQuery(n.kind, n.name, n.within)) }).map((q) => q.data)
