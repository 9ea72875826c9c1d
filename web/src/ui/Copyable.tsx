import { ClipboardCopy } from '@patternfly/react-core'
import { t } from '@/text'

/** Copyable is a text that people take elsewhere: an address, a token, a command. */
export function Copyable({ text, label }: { text: string; label?: string }) {
  return (
    <ClipboardCopy
      isReadOnly
      hoverTip={t.copy}
      clickTip={t.copied}
      textAriaLabel={label}
      variant="inline-compact"
      isCode
    >
      {text}
    </ClipboardCopy>
  )
}
