// What a deployment's configuration is while somebody edits it: the project's
// defaults, and this deployment's own values over them. Pure functions, so that the
// rules can be read, and tested, in one place.
import type { Schemas } from '@/api/client'
import { t } from '@/text'
import type { EntryState } from '@/ui/StateSign'

export type Override = Schemas['Override']
export type KeyValue = Schemas['KeyValue']

/** Own is one value of this deployment's own in the form. */
export type Own = {
  id: number
  key: string
  value: string
  /** takes the default away */
  deleted?: boolean
  secret?: boolean
  /** a secret that is stored already and stays as it is */
  kept?: boolean
  /** added just now: its key is still being written, and it has no place in the tree */
  fresh?: boolean
}

/** Entry is one key of the configuration as people see it. */
export type Entry = { key: string; state: EntryState; base?: KeyValue; own?: Own }

let lastID = 0

/** newOwn is an empty row to write a key and a value into. */
export const newOwn = (): Own => ({ id: ++lastID, key: '', value: '', fresh: true })

/** parseKey is the canonical form of a dotted key, as the server has it. */
export const parseKey = (text: string) =>
  text
    .split('.')
    .map((p) => p.trim())
    .filter(Boolean)
    .join('.')

/** ownOf is what the form holds of stored overrides. */
export const ownOf = (list: Override[]): Own[] =>
  list.map((o) => ({
    id: ++lastID,
    key: o.key,
    value: o.secret ? '' : (o.value ?? ''),
    deleted: o.deleted || undefined,
    secret: o.secret || undefined,
    kept: o.secret || undefined,
  }))

/** overridesOf is what the API takes: a secret without a value keeps the one that is stored. */
export const overridesOf = (list: Own[]): Override[] =>
  list.map((o) => {
    const key = parseKey(o.key)
    if (o.deleted) return { key, deleted: true }
    return o.secret ? { key, value: o.kept ? '' : o.value, secret: true } : { key, value: o.value }
  })

/** entriesOf is the configuration as people see it: added keys first, then the defaults, in their order. */
export function entriesOf(defaults: KeyValue[], list: Own[]): Entry[] {
  const own = new Map(list.filter((o) => !o.fresh).map((o) => [o.key, o]))
  const fresh = new Set(list.filter((o) => o.fresh).map((o) => parseKey(o.key)))
  const known = new Set(defaults.map((d) => d.key))
  const added = [...own.values()]
    .filter((o) => !known.has(o.key))
    .map((o): Entry => ({ key: o.key, own: o, state: o.deleted ? 'deleted' : 'added' }))
  const based = defaults
    .filter((d) => !fresh.has(d.key)) // its new row stands for it
    .map((base): Entry => {
      const o = own.get(base.key)
      if (!o) return { key: base.key, base, state: 'default' }
      return { key: base.key, base, own: o, state: o.deleted ? 'deleted' : 'changed' }
    })
  return [...added, ...based]
}

/** setValue gives a key a value of its own; the default's value is none. */
export function setValue(list: Own[], e: Entry, value: string): Own[] {
  if (e.base && !e.own?.secret && value === e.base.value) return without(list, e)
  if (!e.own) return [...list, { id: ++lastID, key: e.key, value }]
  return list.map((o) => (o === e.own ? { ...o, value, deleted: undefined, kept: undefined } : o))
}

/** setSecret keeps a value encrypted from now on, or no longer. */
export function setSecret(list: Own[], e: Entry, secret: boolean): Own[] {
  if (!e.own) return [...list, { id: ++lastID, key: e.key, value: e.base?.value ?? '', secret }]
  return list.map((o) => (o === e.own ? { ...o, secret: secret || undefined, kept: undefined } : o))
}

/** remove takes a key away: a default by saying so, an own value by forgetting it. */
export function remove(list: Own[], e: Entry): Own[] {
  if (!e.base) return without(list, e)
  const gone: Own = { id: e.own?.id ?? ++lastID, key: e.key, value: '', deleted: true }
  return e.own ? list.map((o) => (o === e.own ? gone : o)) : [...list, gone]
}

/** without forgets a key's own value: the default holds again. */
export const without = (list: Own[], e: Entry): Own[] => list.filter((o) => o !== e.own)

/** problemsOf says what is wrong with rows, by their id. The server checks all of it again. */
export function problemsOf(list: Own[]): Map<number, string> {
  const found = new Map<number, string>()
  const seen = new Set<string>()
  for (const o of list) {
    const key = parseKey(o.key)
    if (!key) found.set(o.id, t.config.noKey)
    else if (seen.has(key)) found.set(o.id, t.config.twice(key))
    else if (/[=\r\n\0]/.test(key)) found.set(o.id, t.config.badKey)
    else if (o.secret && !o.kept && !o.deleted && !o.value) found.set(o.id, t.config.noSecret)
    seen.add(key)
  }
  return found
}

/** Group is one level of the tree of dotted keys. */
export type Group = { part: string; path: string; entry?: Entry; below: Group[] }

/** treeOf puts entries into groups by the parts of their keys; a group of one is none. */
export function treeOf(entries: Entry[]): Group[] {
  const top: Group = { part: '', path: '', below: [] }
  const groups = new Map<string, Group>()
  for (const entry of entries) {
    let at = top
    for (const part of entry.key.split('.')) {
      const path = at.path ? `${at.path}.${part}` : part
      let next = groups.get(path)
      if (!next) {
        next = { part, path, below: [] }
        groups.set(path, next)
        at.below.push(next)
      }
      at = next
    }
    at.entry = entry
  }
  return top.below.map(compact)
}

function compact(g: Group): Group {
  const below = g.below.map(compact)
  const [only] = below
  if (only && below.length === 1 && !g.entry) return { ...only, part: `${g.part}.${only.part}` }
  return { ...g, below }
}

/** leavesOf are all entries in and below a group. */
export const leavesOf = (g: Group): Entry[] => [...(g.entry ? [g.entry] : []), ...g.below.flatMap(leavesOf)]

/** match is where the letters of a search are in a text, in order; undefined if they are not all there. */
export function match(search: string, text: string): number[] | undefined {
  const s = search.toLowerCase().trim()
  const x = text.toLowerCase()
  const at = x.indexOf(s)
  if (at >= 0) return Array.from(s, (_, i) => at + i)
  const found: number[] = []
  let from = 0
  for (const c of s) {
    const i = x.indexOf(c, from)
    if (i < 0) return undefined
    found.push(i)
    from = i + 1
  }
  return found
}

/** hints are the keys that a search finds, the best ones first. */
export function hints(search: string, keys: string[], most = 12): { key: string; at: number[] }[] {
  // Letters side by side count most, then that they begin a part of the key.
  const rank = (key: string, at: number[]) => {
    const first = at[0] ?? 0
    const begins = first === 0 || key[first - 1] === '.'
    return (at.at(-1) ?? 0) - first - at.length + (begins ? 0 : 0.5) + first / 1000
  }
  return keys
    .flatMap((key) => {
      const at = match(search, key)
      return at ? [{ key, at }] : []
    })
    .sort((a, b) => rank(a.key, a.at) - rank(b.key, b.at))
    .slice(0, most)
}
