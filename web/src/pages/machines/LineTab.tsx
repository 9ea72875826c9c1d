import { Alert, Spinner } from '@patternfly/react-core'
import { type ComponentType, Suspense } from 'react'
import { roleOn, useMe } from '@/session'
import { t } from '@/text'
import { hasLine } from './line'
import { useMachine } from './machine'

/** LineTab is a machine's console or screen, for who may write and while it has one. */
export function LineTab({ line: Line }: { line: ComponentType<{ machine: string }> }) {
  const m = useMachine()
  const role = roleOn(useMe(), { ...m, machine_id: m.id })
  if (role !== 'writer' && role !== 'admin') return <Alert variant="info" isInline title={t.machines.onlyWriters} />
  if (!hasLine(m.state)) return <Alert variant="info" isInline title={t.terminal.off} />
  return (
    <Suspense fallback={<Spinner aria-label={t.loading} />}>
      <Line machine={m.id} />
    </Suspense>
  )
}
