import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon'
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon'
import InProgressIcon from '@patternfly/react-icons/dist/esm/icons/in-progress-icon'
import OffIcon from '@patternfly/react-icons/dist/esm/icons/off-icon'
import { css } from '@patternfly/react-styles'
import styles from '@patternfly/react-styles/css/components/Label/label'
import { t } from '@/text'

const good = ['running', 'active', 'ready', 'online', 'succeeded', 'Running', 'ok', 'enabled', 'delivered']
const bad = ['failed', 'Failure', 'timed_out', 'lost', 'crashed', 'refused', 'offline']
const off = ['stopped', 'disabled', 'Archived', 'canceled', 'deleted', 'paused', 'off']

const looks = {
  good: { className: styles.modifiers.success, icon: <CheckCircleIcon /> },
  bad: { className: styles.modifiers.danger, icon: <ExclamationCircleIcon /> },
  off: { className: undefined, icon: <OffIcon /> },
  other: { className: styles.modifiers.blue, icon: <InProgressIcon /> },
}

function look(state: string) {
  if (good.includes(state)) return looks.good
  if (bad.includes(state)) return looks.bad
  return off.includes(state) ? looks.off : looks.other
}

/**
 * StateLabel is an object's state, as a word (label, where the state's own does not do) beside a sign, never by
 * colour alone. It looks like PatternFly's Label, which listens to the whole page's keys and clicks: one in each row of
 * a list is too many.
 */
export function StateLabel({ state, reason, label }: { state: string; reason?: string; label?: string }) {
  const { className, icon } = look(state)
  return (
    <span
      className={css(styles.label, styles.modifiers.filled, styles.modifiers.compact, className)}
      title={reason || undefined}
    >
      <span className={styles.labelContent}>
        <span className={styles.labelIcon}>{icon}</span>
        <span className={styles.labelText}>{label ?? t.state[state] ?? state}</span>
      </span>
    </span>
  )
}
