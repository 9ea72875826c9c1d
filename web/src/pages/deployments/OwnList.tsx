import { t } from '@/text'
import type { Own } from './config'

/** OwnList is the values of a deployment's own, to compare two versions of them. */
export function OwnList({ list }: { list: Own[] }) {
  if (list.length === 0) return <>{t.deployments.noOverrides}</>
  return (
    <ul className="atoll-overrides">
      {list.map((o) => (
        <li key={o.id}>{o.deleted ? <del>{o.key}</del> : `${o.key}: ${o.secret ? '•••' : o.value}`}</li>
      ))}
    </ul>
  )
}
