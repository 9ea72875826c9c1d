import type { Schemas } from '@/api/client'
import { t } from '@/text'
import { StateSign } from './StateSign'

type Change = Schemas['ConfigChange']

const stateOf = (c: Change) => (c.old === undefined ? 'added' : c.new === undefined ? 'deleted' : 'changed')

/** ChangeList shows what is different between two configurations. */
export function ChangeList({ title, changes }: { title?: string; changes?: Change[] | null }) {
  if (!changes?.length) return null
  return (
    <section>
      {title && <h4 className="atoll-subtitle">{title}</h4>}
      <ul className="atoll-changes">
        {changes.map((c) => (
          <li key={c.key}>
            <StateSign state={stateOf(c)} /> <code>{c.key}</code>
            {': '}
            {c.old !== undefined && <del>{c.old || t.config.empty}</del>}
            {c.old !== undefined && c.new !== undefined && ' → '}
            {c.new !== undefined && <ins>{c.new || t.config.empty}</ins>}
          </li>
        ))}
      </ul>
    </section>
  )
}
