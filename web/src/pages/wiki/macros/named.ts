// Authors write names; the API's lists take ids.
import { useSuspenseQuery } from '@tanstack/react-query'
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
export async function readNamed<T extends { id: string }>(
  kind: Named,
  name: string,
  within: Record<string, string | undefined> = {},
): Promise<T> {
  const get = client.GET as unknown as (path: string, init: object) => Promise<{ data: T }>
  const query = Object.fromEntries(Object.entries(within).filter(([, v]) => v))
  const path = `/api/v1${kind}/{name}`
  return (await get(path, { params: { path: { name }, query } })).data
}

/** useID is the id of what has the name; undefined for no name. */
export function useID(kind: Named, name: string | undefined, within: Record<string, string | undefined> = {}) {
  return useSuspenseQuery({
    queryKey: ['named', kind, name ?? '', within],
    queryFn: async () => (name ? (await readNamed(kind, name, within)).id : ''),
    staleTime: 60_000,
  }).data
}
