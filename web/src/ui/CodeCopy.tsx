import { ClipboardCopyButton, CodeBlock, CodeBlockAction, CodeBlockCode } from '@patternfly/react-core'
import { useId, useState } from 'react'
import { t } from '@/text'

/** CodeCopy is a text of several lines that people take elsewhere. */
export function CodeCopy({ text, label }: { text: string; label: string }) {
  const id = useId()
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
  }
  return (
    <CodeBlock
      actions={
        <CodeBlockAction>
          <ClipboardCopyButton
            id={`${id}-copy`}
            textId={id}
            aria-label={`${t.copy}: ${label}`}
            variant="plain"
            onClick={copy}
            onTooltipHidden={() => setCopied(false)}
          >
            {copied ? t.copied : t.copy}
          </ClipboardCopyButton>
        </CodeBlockAction>
      }
    >
      <CodeBlockCode id={id}>{text}</CodeBlockCode>
    </CodeBlock>
  )
}
