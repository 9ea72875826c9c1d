// Names of objects that another object knows by their ids.
import { type QueryKey, useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { client } from './api/client'
import { pathOf } from './paths'
import { t } from './text'

type Kind =
  | 'account'
  | 'cloudspace'
  | 'project'
  | 'machine'
  | 'image'
  | 'size'
  | 'node'
  | 'location'
  | 'schedule'
  | 'user'

/** objectQuery reads one object of a kind, with the key that the feed understands. */
export function objectQuery<T = { id: string; name: string }>(kind: Kind, id: string) {
  const path = `/api/v1/${kind}s/{${kind}}`
  const init = { params: { path: { [kind]: id } } }
  return {
    queryKey: ['get', path, init] as QueryKey,
    queryFn: async ({ signal }: { signal?: AbortSignal }) => {
      // Each kind has this call; TypeScript cannot see it for all of them at once.
      const get = client.GET as unknown as (p: string, i: object) => Promise<{ data: T }>
      return (await get(path, { ...init, signal })).data
    },
  }
}

/** useName is an object's name, as soon as it is known; none for one that may not be seen. */
export const useName = (kind: Kind, id: string | undefined) =>
  useQuery({ ...objectQuery(kind, id ?? ''), enabled: Boolean(id), throwOnError: false }).data?.name

/** Named is the name of an object, and the way to it where its kind has a page. */
export function Named({ kind, id }: { kind: Kind; id?: string }) {
  const name = useName(kind, id)
  const to = pathOf(kind, id)
  if (!id) return <>{t.none}</>
  // Who may not see it sees that it is there, by the end of its id.
  if (!name) return <code>…{id.slice(-6)}</code>
  return to ? (
    <Link to={to}>
      <bdi>{name}</bdi>
    </Link>
  ) : (
    <bdi>{name}</bdi>
  )
}
