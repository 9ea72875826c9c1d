import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon'
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon'
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon'
import OffIcon from '@patternfly/react-icons/dist/esm/icons/off-icon'
import { t } from '@/text'
import { Tag } from './Tag'

const good = ['running', 'active', 'ready', 'online', 'succeeded', 'Running', 'ok', 'enabled', 'delivered']
const bad = ['failed', 'Failure', 'timed_out', 'lost', 'crashed', 'refused', 'offline']
const off = ['stopped', 'disabled', 'Archived', 'canceled', 'deleted', 'paused', 'off']

const looks = {
  good: { color: 'success', icon: <CheckCircleIcon /> },
  bad: { color: 'danger', icon: <ExclamationCircleIcon /> },
  off: { icon: <OffIcon /> },
  other: { color: 'blue', icon: <InProgressIcon /> },
} as const

function look(state: string) {
  if (good.includes(state)) return looks.good
  if (bad.includes(state)) return looks.bad
  return off.includes(state) ? looks.off : looks.other
}

/** StateLabel is an object's state, as a word (label, where the state's own does not do) beside a sign, never by colour alone. */
export function StateLabel({ state, reason, label }: { state: string; reason?: string; label?: string }) {
  return (
    <Tag {...look(state)} title={reason}>
      {label ?? t.state[state] ?? state}
    </Tag>
  )
}
