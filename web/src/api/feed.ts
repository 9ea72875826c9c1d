// The feed: one WebSocket tells which objects changed, and the query cache reads
// them anew. Nothing in the portal polls.
import type { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import type { Schemas } from './client'

export type Event = Schemas['Event']

/** Changed is one object that is no longer as it was read; without id, any of its kind. */
export type Changed = { kind: string; id?: string }

/** What a change of one kind changes in others. */
const also: Record<string, string[]> = {
  machine: ['disk', 'port-forward', 'quota', 'capacity', 'operation', 'cloudspace'],
  cloudspace: ['quota', 'operation', 'machine'],
  deployment: ['action', 'quota', 'operation'],
  'port-forward': ['quota', 'operation'],
  disk: ['quota'],
  image: ['operation'],
  node: ['capacity'],
  membership: ['me'],
  user: ['me'],
  bundle: ['project'],
  script: ['script'], // each revision is an object of its own
  account: ['me', 'quota'],
}

/** segment is the part of the API's paths that a kind's objects have. */
const segment = (kind: string) => (['me', 'quota', 'capacity'].includes(kind) ? kind : `${kind}s`)

/** Changes are objects that are no longer as they were read, found by the part of the API's paths that their kind has. */
export class Changes {
  #ids = new Map<string, Set<string | undefined>>()
  #all = false

  add(c: Changed) {
    const part = segment(c.kind)
    const ids = this.#ids.get(part)
    if (ids) ids.add(c.id)
    else this.#ids.set(part, new Set([c.id]))
  }

  addAll() {
    this.#all = true
  }

  get none() {
    return !this.#all && this.#ids.size === 0
  }

  /** touch reports whether an answer to the path, with these path parameters, shows one of the objects. */
  touch(path: string, params: Record<string, unknown>): boolean {
    if (this.#all) return true
    const parts = path.split('/')
    // after /api/v1
    for (let i = 3; i < parts.length; i++) {
      const ids = this.#ids.get(parts[i] ?? '')
      if (!ids) continue
      const own = parts[i + 1]
      if (!own?.startsWith('{')) return true // a list, or an answer about all
      if (ids.has(undefined) || ids.has(params[own.slice(1, -1)] as string)) return true
    }
    return false
  }
}

// A notice names its object, unless too many changed at a time; the end of an
// operation also changes what it was about.
function changedBy(n: Schemas['Notice']): Changed[] {
  const changed: Changed[] = [{ kind: n.kind, id: n.many ? undefined : n.id }]
  if (n.subject_kind && n.kind === 'operation') changed.push({ kind: n.subject_kind, id: n.subject_id })
  return changed
}

type Listener = (e: Event) => void

// How long changes gather before what they touch is read: those of one action come
// together; and in a flood of them no answer is read more often than people can look.
const gather = 150 // ms
const apart = 500

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms))

// What nobody sees need not be fresh: a hidden page is read anew when it is looked at.
const seen = () =>
  new Promise<void>((done) => {
    if (!document.hidden) return done()
    const look = () => {
      if (document.hidden) return
      document.removeEventListener('visibilitychange', look)
      done()
    }
    document.addEventListener('visibilitychange', look)
  })

/** Feed holds the connection from start to stop, and opens it again whenever it is lost. */
export class Feed {
  #socket?: WebSocket
  #after = 0
  #tries = 0
  #stopped = false
  #timer?: ReturnType<typeof setTimeout>
  #changed = new Changes()
  #reading = false
  #watch = new Set<() => void>()
  #listeners = new Set<Listener>()
  online = true

  constructor(private cache: QueryClient) {}

  start() {
    this.#stopped = false
    this.#open()
  }

  stop() {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#socket?.close()
  }

  /** listen calls fn with each event until the answered function is called. */
  listen = (fn: Listener) => {
    this.#listeners.add(fn)
    return () => this.#listeners.delete(fn)
  }

  watch = (fn: () => void) => {
    this.#watch.add(fn)
    return () => this.#watch.delete(fn)
  }

  #open() {
    const url = new URL('/api/v1/events', location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    url.searchParams.set('notices', 'true')
    if (this.#after) url.searchParams.set('after', String(this.#after))
    const socket = new WebSocket(url)
    this.#socket = socket
    socket.onopen = () => {
      // Notices are not kept, so that what they would have said is read again.
      if (this.#tries > 0) this.#note(this.#after ? [{ kind: 'operation' }, { kind: 'job' }] : 'all')
      this.#tries = 0
      this.#setOnline(true)
    }
    socket.onmessage = (m) => this.#take(JSON.parse(m.data))
    socket.onclose = () => this.#lost()
  }

  #lost() {
    if (this.#stopped) return
    this.#tries++
    // A controller that hands over is back at once. One that refuses does not say why:
    // the session may have ended meanwhile.
    if (this.#tries > 1) {
      this.#setOnline(false)
      this.#note([{ kind: 'me' }])
    }
    this.#timer = setTimeout(() => this.#open(), Math.min(200 * 2 ** this.#tries, 5000) * (0.5 + Math.random() / 2))
  }

  #setOnline(online: boolean) {
    if (this.online === online) return
    this.online = online
    for (const fn of this.#watch) fn()
  }

  #take(m: Schemas['FeedMessage']) {
    if (m.type === 'event' && m.event) {
      const e = m.event
      this.#after = e.seq
      const kind = e.subject_kind
      const changed: Changed[] = [{ kind: 'event' }]
      if (kind) changed.push({ kind, id: e.subject_id })
      // An operation's start and end change its subject, whose kind begins the action.
      const subject = kind === 'operation' ? e.action.split('.')[0] : kind
      if (subject && subject !== kind) changed.push({ kind: subject })
      changed.push(...(also[subject ?? ''] ?? []).map((k) => ({ kind: k })))
      this.#note(changed)
      for (const fn of this.#listeners) fn(e)
    } else if (m.type === 'notice' && m.notice) {
      this.#note(changedBy(m.notice))
    } else if (m.type === 'end') {
      this.#after = 0 // what came since is kept no longer, or we are signed out: all is read anew
      this.#tries = Math.max(this.#tries, 1)
      if (m.problem?.code === 'unauthenticated') this.#note([{ kind: 'me' }])
    }
  }

  #note(changed: Changed[] | 'all') {
    if (changed === 'all') this.#changed.addAll()
    else for (const c of changed) this.#changed.add(c)
    void this.#read()
  }

  // Reads what is shown and changed. While one reading is under way the changes
  // gather, so that a flood of them costs one reading after the other, not more.
  async #read() {
    if (this.#reading) return
    this.#reading = true
    for (let pause = gather; !this.#changed.none; pause = apart) {
      await wait(pause)
      await seen()
      const changed = this.#changed
      this.#changed = new Changes()
      await this.cache.invalidateQueries({
        predicate: ({ queryKey }) => {
          const [, path, init] = queryKey as [string, string, { params?: { path?: Record<string, unknown> } }?]
          return changed.touch(path, init?.params?.path ?? {})
        },
      })
    }
    this.#reading = false
  }
}

/** useOnline reports whether the feed is connected. */
export const useOnline = (feed: Feed) => useSyncExternalStore(feed.watch, () => feed.online)
