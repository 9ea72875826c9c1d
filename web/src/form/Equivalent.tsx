import { CodeBlock, CodeBlockCode, Content, ExpandableSection } from '@patternfly/react-core'
import { useState } from 'react'
import { t } from '@/text'
import { command, curl, type Request } from './request'

/** Equivalent shows how the same is done without the portal. */
export function Equivalent({ request }: { request: () => Request }) {
  const [open, setOpen] = useState(false)
  const r = open ? request() : undefined
  return (
    <ExpandableSection toggleText={t.equivalent.show} isExpanded={open} onToggle={(_, o) => setOpen(o)}>
      {r && (
        <>
          <Content component="h3">{t.equivalent.cli}</Content>
          <CodeBlock>
            <CodeBlockCode>{command(r)}</CodeBlockCode>
          </CodeBlock>
          <Content component="h3">{t.equivalent.api}</Content>
          <CodeBlock>
            <CodeBlockCode>{curl(r)}</CodeBlockCode>
          </CodeBlock>
        </>
      )}
    </ExpandableSection>
  )
}
