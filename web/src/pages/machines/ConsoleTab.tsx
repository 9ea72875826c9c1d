import { Alert, Spinner } from '@patternfly/react-core'
import { lazy, Suspense } from 'react'
import { roleOn, useMe } from '@/session'
import { t } from '@/text'
import { hasLine } from './line'
import { useMachine } from './machine'

// xterm.js is large: only who opens a console loads it.
const Terminal = lazy(() => import('./Terminal'))

/** ConsoleTab is a machine's serial console. */
export function Component() {
  const m = useMachine()
  const role = roleOn(useMe(), { ...m, machine_id: m.id })
  if (role !== 'writer' && role !== 'admin') return <Alert variant="info" isInline title={t.machines.onlyWriters} />
  if (!hasLine(m.state)) return <Alert variant="info" isInline title={t.terminal.off} />
  return (
    <Suspense fallback={<Spinner aria-label={t.loading} />}>
      <Terminal machine={m.id} />
    </Suspense>
  )
}
