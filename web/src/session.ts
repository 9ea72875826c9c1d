// Who is signed in, what he may, and which account and cloudspace he looks at.
import { useSuspenseQuery } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { api, type Schemas, setCSRF } from './api/client'
import { queries } from './api/queries'

export type Me = Schemas['Me']

const meQuery = api.queryOptions('get', '/api/v1/me')

/** loadMe reads who is signed in, for the root's loader; it throws an ApiError with status 401 for nobody. */
export async function loadMe(): Promise<Me> {
  const me = await queries.ensureQueryData(meQuery)
  setCSRF(me.csrf ?? '')
  return me
}

/** useMe is who is signed in. Only inside the frame, whose loader has read it. */
export const useMe = () => useSuspenseQuery(meQuery).data

/** isStaff reports whether somebody sees the operators' side. */
export const isStaff = (me: Me) => ['admin', 'operator', 'support', 'billing'].includes(me.user.role ?? '')
/** seesNodes reports whether somebody sees nodes and what runs on them; billing does not. */
export const seesNodes = (me: Me) => ['admin', 'operator', 'support'].includes(me.user.role ?? '')
export const isAdmin = (me: Me) => me.user.role === 'admin'
export const isOperator = (me: Me) => ['admin', 'operator'].includes(me.user.role ?? '')

/** Scope is what rights are asked for: the innermost id counts as well as those around it. */
export type Scope = { account_id?: string; cloudspace_id?: string; project_id?: string; machine_id?: string }

const rank: Record<string, number> = { reader: 1, writer: 2, admin: 3 }

/**
 * roleOn is the strongest role that the caller has on a scope. It only chooses what
 * to offer: the API decides, and explains what it refuses.
 */
export function roleOn(me: Me, s: Scope): 'admin' | 'writer' | 'reader' | undefined {
  if (me.read_only) return 'reader'
  if (isOperator(me)) return 'admin'
  const best = me.memberships
    .filter((m) => m.account_id === s.account_id)
    .filter((m) => !m.cloudspace_id || m.cloudspace_id === s.cloudspace_id)
    .filter((m) => !m.project_id || m.project_id === s.project_id)
    .filter((m) => !m.machine_id || m.machine_id === s.machine_id)
    .map((m) => m.role)
    .sort((a, b) => (rank[b] ?? 0) - (rank[a] ?? 0))[0]
  return best ?? (isStaff(me) ? 'reader' : undefined)
}

/** useMay answers what to offer on a scope. */
export function useMay(s: Scope) {
  const role = roleOn(useMe(), s)
  return { write: role === 'writer' || role === 'admin', manage: role === 'admin' }
}

/** canWriteSomewhere reports whether creating tenant objects is worth offering at all. */
export const canWriteSomewhere = (me: Me) =>
  !me.read_only && (isOperator(me) || me.memberships.some((m) => m.role !== 'reader'))

/** canManageSomewhere reports whether creating what only admins of an account or project may is worth offering. */
export const canManageSomewhere = (me: Me) =>
  !me.read_only && (isOperator(me) || me.memberships.some((m) => m.role === 'admin'))

// The chosen account and cloudspace, kept for the next visit.
type Chosen = { account?: string; cloudspace?: string }

const key = 'atoll.scope'
const watchers = new Set<() => void>()
let chosen: Chosen = read()

function read(): Chosen {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '{}')
  } catch {
    return {}
  }
}

/** choose sets what lists are limited to. Another account forgets the cloudspace. */
export function choose(next: Chosen) {
  chosen = next
  localStorage.setItem(key, JSON.stringify(next))
  for (const fn of watchers) fn()
}

/** useChosen is the account and cloudspace that lists are limited to, by id. */
export const useChosen = () =>
  useSyncExternalStore(
    (fn) => {
      watchers.add(fn)
      return () => watchers.delete(fn)
    },
    () => chosen,
  )

export const chosenNow = () => chosen
