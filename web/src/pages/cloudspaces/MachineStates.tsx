import { Label } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { listQuery } from '@/lists'
import { t } from '@/text'

/** machinesOf is the machines of a cloudspace: as many as there may be of them in a picture. */
export const machinesOf = (cloudspace: string) =>
  listQuery('/api/v1/machines', { limit: 1000, sort: 'name', filter: [`cloudspace=${cloudspace}`] })

/** MachineStates is how many machines of a cloudspace are in which state. */
export function MachineStates({ cloudspace }: { cloudspace: string }) {
  const machines = useQuery(machinesOf(cloudspace)).data?.items
  if (!machines) return <span className="atoll-small">{t.loading}</span>
  if (machines.length === 0) return <span className="atoll-small">{t.cloudspaces.noMachines}</span>
  const counts = Object.entries(Object.groupBy(machines, (m) => m.state))
  return (
    <span className="atoll-buttons">
      {counts.map(([state, of]) => (
        <Label
          key={state}
          isCompact
          {...(state === 'running'
            ? { status: 'success' }
            : state === 'failed'
              ? { status: 'danger' }
              : { color: 'grey' })}
        >
          {of?.length} {(t.state[state] ?? state).toLowerCase()}
        </Label>
      ))}
    </span>
  )
}
