// Lists: one page of the API's at a time, with sort, search and filters in the
// page's address, so that going back and sharing a link work.
import { keepPreviousData, type QueryKey, useQuery } from '@tanstack/react-query'
import { useDeferredValue, useEffect, useRef, useState } from 'react'
import { type LoaderFunctionArgs, useLocation, useNavigate, useSearchParams } from 'react-router'
import { client } from './api/client'
import { queries } from './api/queries'
import type { paths } from './api/schema'
import { chosenNow, useChosen } from './session'

type PageOf<T> = { items: T[]; next: string }

/** ListPath is each path of the API that answers with a list. */
export type ListPath = {
  [P in keyof paths]: paths[P] extends {
    get: { responses: { 200: { content: { 'application/json': PageOf<unknown> } } } }
  }
    ? P
    : never
}[keyof paths]

/** ItemOf is what a list holds. */
export type ItemOf<P extends ListPath> = paths[P] extends {
  get: { responses: { 200: { content: { 'application/json': PageOf<infer T> } } } }
}
  ? T
  : never

export type ListOptions = {
  /** the field that the search box looks in; none for no search box */
  search?: string
  /** a query parameter of its own for the search, where the API has one; what fits best comes first */
  searchParam?: string
  /** fields that may be filtered by the address’s parameters */
  filters?: readonly string[]
  /** query parameters of the API’s own that the address’s parameters of the same names set */
  params?: readonly string[]
  /** how it is sorted until somebody chooses */
  sort?: string
  /** whether the chosen account, or account and cloudspace, limit it */
  scope?: 'account' | 'cloudspace'
  /** path parameters, for a list inside an object */
  path?: Record<string, string>
  /** conditions that always hold, as field=value */
  always?: readonly string[]
  /** query parameters of the API’s own that always hold */
  fixed?: Record<string, string>
  limit?: number
  /** a prefix of the address’s parameters, for a second list on one page */
  prefix?: string
}

type Ask = { limit: number; sort?: string; cursor?: string; filter?: string[]; [param: string]: unknown }

function ask(o: ListOptions, params: URLSearchParams, chosen: { account?: string; cloudspace?: string }): Ask {
  const get = (k: string) => params.get((o.prefix ?? '') + k) ?? undefined
  const filter = [...(o.always ?? [])]
  if (o.scope && chosen.account) filter.push(`account=${chosen.account}`)
  if (o.scope === 'cloudspace' && chosen.cloudspace) filter.push(`cloudspace=${chosen.cloudspace}`)
  const q = get('q')
  if (q && o.search) filter.push(`${o.search}~${q}`)
  for (const f of o.filters ?? []) if (get(f)) filter.push(`${f}=${get(f)}`)
  const query: Ask = { limit: o.limit ?? 25, ...o.fixed }
  if (q && o.searchParam) query[o.searchParam] = q
  for (const p of o.params ?? []) if (get(p)) query[p] = get(p)
  const sort = get('sort') ?? o.sort
  if (sort && !ranked(o, query)) query.sort = sort
  const cursor = get('cursor')
  if (cursor) query.cursor = cursor
  if (filter.length) query.filter = filter
  return query
}

// What a search of the API's own finds is ranked: it has no other order.
const ranked = (o: ListOptions, query: Ask) => o.searchParam !== undefined && query[o.searchParam] !== undefined

/** listQuery is the query of a list, with the key that the feed understands. */
export function listQuery<P extends ListPath>(path: P, query: Ask, pathParams?: Record<string, string>) {
  const init = { params: { query, path: pathParams } }
  return {
    queryKey: ['get', path, init] as QueryKey,
    queryFn: async ({ signal }: { signal?: AbortSignal }) => {
      // Each list takes these parameters; TypeScript cannot see it for all paths at once.
      const get = client.GET as unknown as (p: string, i: object) => Promise<{ data: PageOf<ItemOf<P>> }>
      return (await get(path, { ...init, signal })).data
    },
  }
}

/** List is what a page shows of a list and does with it. */
export type List<T> = {
  items: T[]
  loading: boolean
  error: Error | null
  q: string
  sort?: string
  page: number
  filtered: boolean
  /** what was asked for */
  query: Ask
  filter: (name: string) => string
  setQ: (q: string) => void
  /** none where what a search finds is ranked */
  setSort?: (sort: string) => void
  setFilter: (name: string, value: string) => void
  clear: () => void
  next?: () => void
  previous?: () => void
}

/** listLoader reads a list before its page is shown. */
export const listLoader =
  <P extends ListPath>(path: P, o: ListOptions) =>
  ({ request, params }: LoaderFunctionArgs) => {
    const p = { ...o.path, ...(params as Record<string, string>) }
    const used = o.path ? p : undefined
    // Not awaited: the page is there at once and shows what it waits for.
    void queries.prefetchQuery(listQuery(path, ask(o, new URL(request.url).searchParams, chosenNow()), used))
    return null
  }

/** useList is the list that the page's address says. */
export function useList<P extends ListPath>(path: P, o: ListOptions): List<ItemOf<P>> {
  const [params, setParams] = useSearchParams()
  const navigate = useNavigate()
  const location = useLocation()
  const chosen = useChosen()
  const asked = ask(o, params, chosen)
  const query = useQuery({ ...listQuery(path, asked, o.path), placeholderData: keepPreviousData })
  // New rows are drawn in pieces, between which the page takes clicks and keys.
  const data = useDeferredValue(query.data)
  const name = (k: string) => (o.prefix ?? '') + k
  const cursors: string[] = location.state?.[name('cursors')] ?? []

  // Two filters may be set before the address has taken the first.
  const latest = useRef(params)
  useEffect(() => {
    latest.current = params
  }, [params])
  const set = (k: string, v: string) => {
    const p = new URLSearchParams(latest.current)
    if (v) p.set(name(k), v)
    else p.delete(name(k))
    p.delete(name('cursor')) // another list begins at its beginning
    latest.current = p
    setParams(p, { replace: true })
  }
  const go = (cursor: string | undefined, before: string[]) => {
    const p = new URLSearchParams(params)
    if (cursor) p.set(name('cursor'), cursor)
    else p.delete(name('cursor'))
    navigate({ search: `?${p}` }, { state: { ...location.state, [name('cursors')]: before } })
  }
  const here = params.get(name('cursor')) ?? ''
  const next = data?.next
  return {
    items: data?.items ?? [],
    loading: !data && !query.error,
    error: query.error,
    q: params.get(name('q')) ?? '',
    sort: asked.sort,
    page: cursors.length + 1,
    query: asked,
    filtered: ['q', ...(o.filters ?? []), ...(o.params ?? [])].some((f) => params.get(name(f))),
    filter: (f) => params.get(name(f)) ?? '',
    setQ: (q) => set('q', q),
    setSort: ranked(o, asked) ? undefined : (s) => set('sort', s),
    setFilter: (f, v) => set(f, v),
    clear: () => {
      const p = new URLSearchParams(params)
      for (const k of ['q', 'cursor', ...(o.filters ?? []), ...(o.params ?? [])]) p.delete(name(k))
      setParams(p, { replace: true })
    },
    next: next ? () => go(next, [...cursors, here]) : undefined,
    previous: here ? () => go(cursors.at(-1) || undefined, cursors.slice(0, -1)) : undefined,
  }
}

/** useDebounced is a text field's value and its setter, told on only when typing rests. */
export function useDebounced(value: string, tell: (v: string) => void, ms = 250): [string, (v: string) => void] {
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  // biome-ignore lint/correctness/useExhaustiveDependencies: tell is new in each render, and only a new text counts
  useEffect(() => {
    if (text === value) return
    const timer = setTimeout(() => tell(text), ms)
    return () => clearTimeout(timer)
  }, [text])
  return [text, setText]
}

/** useRested is a value as it was when it last stayed the same for a while. */
export function useRested<T>(value: T, ms: number): T {
  const [rested, set] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => set(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return rested
}
