import type { Schemas } from '@/api/client'
import { t } from '@/text'
import { StateLabel } from '@/ui/StateLabel'

/** NodeState is a node's state, and what else keeps work from it. */
export function NodeState({ node: n }: { node: Schemas['Node'] }) {
  return (
    <>
      <StateLabel state={n.state} reason={n.reason} /> {n.cordoned && <StateLabel state="cordoned" />}
      {n.simulated && <span className="atoll-small"> {t.nodes.simulated}</span>}
    </>
  )
}
