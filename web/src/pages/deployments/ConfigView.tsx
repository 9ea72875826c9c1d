import { ExpandableSection } from '@patternfly/react-core'
import { useState } from 'react'
import { t } from '@/text'
import { type EntryState, StateSign } from '@/ui/StateSign'
import { entriesOf, type Group, type KeyValue, leavesOf, type Override, ownOf, treeOf } from './config'

type Props = {
  title: string
  effective: KeyValue[]
  own: Override[]
  /** the project's, where they are known: what is not among them was added */
  defaults?: KeyValue[]
}

/** ConfigView is a configuration to read: what holds, and what of it is the deployment's own. */
export function ConfigView({ title, effective, own, defaults }: Props) {
  // What the scripts were given, and the defaults that were taken away.
  const known = new Set(defaults?.map((x) => x.key))
  const values = new Map(own.map((o) => [o.key, o]))
  const gone = own.filter((o) => o.deleted && !effective.some((e) => e.key === o.key))
  const entries = [
    ...effective.map((e) => {
      const o = values.get(e.key)
      const state: EntryState = !o || o.deleted ? 'default' : defaults && !known.has(e.key) ? 'added' : 'changed'
      return { key: e.key, base: e, state }
    }),
    ...entriesOf([], ownOf(gone)),
  ]
  return (
    <section aria-label={title}>
      <h3 className="atoll-subtitle">{title}</h3>
      {entries.length === 0 ? (
        <p className="atoll-small">{t.config.none}</p>
      ) : (
        <Levels groups={treeOf(entries)} all={entries.length} />
      )}
    </section>
  )
}

function Levels({ groups, all }: { groups: Group[]; all: number }) {
  return (
    <ul className="atoll-config-view">
      {groups.map((g) => (g.below.length === 0 ? <Line key={g.path} g={g} /> : <Fold key={g.path} g={g} all={all} />))}
    </ul>
  )
}

function Line({ g }: { g: Group }) {
  const e = g.entry
  return (
    <li className="atoll-config-line">
      <code>{g.part}</code>
      <span className="atoll-text">
        {e?.state === 'deleted' ? (
          <StateSign state="deleted" />
        ) : (
          <>
            {e?.base?.secret ? t.config.hidden : e?.base?.value || <em>{t.config.empty}</em>}{' '}
            {e && <StateSign state={e.state} />}
          </>
        )}
      </span>
    </li>
  )
}

function Fold({ g, all }: { g: Group; all: number }) {
  const leaves = leavesOf(g)
  const own = leaves.filter((e) => e.state !== 'default').length
  const [open, setOpen] = useState(all <= 20 || own > 0)
  return (
    <li>
      <ExpandableSection
        isIndented
        isExpanded={open}
        onToggle={(_, o) => setOpen(o)}
        toggleContent={
          <>
            <code>{g.part}</code> <span className="atoll-small">{t.config.count(leaves.length)}</span>
          </>
        }
      >
        {open && <Levels groups={g.entry ? [{ ...g, below: [] }, ...g.below] : g.below} all={all} />}
      </ExpandableSection>
    </li>
  )
}
