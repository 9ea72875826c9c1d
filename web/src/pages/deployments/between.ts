import type { Schemas } from '@/api/client'

type Action = Schemas['Action']
type Change = Schemas['ConfigChange']

// An update that waited and was overtaken changed nothing: no script of it ran.
const changed = (a: Action) => a.outcome !== 'waiting' && !(a.outcome === 'canceled' && !a.job_id)

/**
 * between is what is different in the configuration after the newer of two chosen
 * actions, compared to that after the older one: what all actions after the older
 * one changed, put together.
 */
export function between(actions: Action[], chosen: Set<string>, of: 'application' | 'deployment'): Change[] {
  const inOrder = [...actions].sort((a, b) => a.started_at.localeCompare(b.started_at))
  const [from, to] = [...inOrder.keys()].filter((i) => chosen.has(inOrder[i]?.id ?? ''))
  if (from === undefined || to === undefined) return []
  const sum = new Map<string, Change>()
  for (const a of inOrder.slice(from + 1, to + 1).filter(changed))
    for (const c of a[of] ?? []) {
      const first = sum.get(c.key)
      sum.set(c.key, { key: c.key, old: first ? first.old : c.old, new: c.new })
    }
  return [...sum.values()].filter((c) => c.old !== c.new)
}
