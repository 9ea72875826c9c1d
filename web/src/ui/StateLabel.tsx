import { Label, type LabelProps } from '@patternfly/react-core'
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon'
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon'
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon'
import OffIcon from '@patternfly/react-icons/dist/esm/icons/off-icon'
import { t } from '@/text'

const good = ['running', 'active', 'ready', 'online', 'succeeded', 'Running', 'ok', 'enabled', 'delivered']
const bad = ['failed', 'Failure', 'timed_out', 'lost', 'crashed', 'refused', 'offline']
const off = ['stopped', 'disabled', 'Archived', 'canceled', 'deleted', 'paused', 'off']

function look(state: string): Pick<LabelProps, 'status' | 'color' | 'icon'> {
  if (good.includes(state)) return { status: 'success', icon: <CheckCircleIcon /> }
  if (bad.includes(state)) return { status: 'danger', icon: <ExclamationCircleIcon /> }
  if (off.includes(state)) return { color: 'grey', icon: <OffIcon /> }
  return { color: 'blue', icon: <InProgressIcon /> }
}

/** StateLabel is an object's state, as a word (label, where the state's own does not do) beside a sign, never by colour alone. */
export function StateLabel({ state, reason, label }: { state: string; reason?: string; label?: string }) {
  return (
    <Label isCompact {...look(state)} title={reason || undefined}>
      {label ?? t.state[state] ?? state}
    </Label>
  )
}
