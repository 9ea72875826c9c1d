import { Label } from '@patternfly/react-core'
import MinusIcon from '@patternfly/react-icons/dist/esm/icons/minus-icon'
import PencilAltIcon from '@patternfly/react-icons/dist/esm/icons/pencil-alt-icon'
import PlusIcon from '@patternfly/react-icons/dist/esm/icons/plus-icon'
import { t } from '@/text'

/** EntryState is what is done to a key of a configuration. */
export type EntryState = 'default' | 'changed' | 'added' | 'deleted'

const looks = {
  changed: { color: 'blue', icon: <PencilAltIcon /> },
  added: { color: 'green', icon: <PlusIcon /> },
  deleted: { color: 'red', icon: <MinusIcon /> },
} as const

/** StateSign says what is done to a key of a configuration, by word and sign; nothing for a default. */
export function StateSign({ state }: { state: EntryState }) {
  if (state === 'default') return null
  return (
    <Label isCompact variant="outline" {...looks[state]}>
      {t.config.state[state]}
    </Label>
  )
}
