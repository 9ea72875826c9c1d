import { Content, Tab, Tabs, TabTitleText } from '@patternfly/react-core'
import { useState } from 'react'
import type { Schemas } from '@/api/client'
import { t } from '@/text'
import { CodeCopy } from '@/ui/CodeCopy'
import { snippets } from './ci'

/** CiPanel is what to put into a pipeline so that each branch has a deployment of the project. */
export function CiPanel({ project }: { project: Schemas['Project'] }) {
  const [shown, setShown] = useState('github')
  const all = snippets(location.origin, project)
  return (
    <>
      <Content component="p">{t.ci.about}</Content>
      <Content component="h3">{t.ci.token}</Content>
      <CodeCopy label={t.ci.token} text={all.token} />
      <Content component="h3">{t.ci.pipeline}</Content>
      <Tabs activeKey={shown} onSelect={(_, k) => setShown(String(k))} aria-label={t.ci.pipeline}>
        {(['github', 'gitlab', 'jenkins'] as const).map((k) => (
          <Tab key={k} eventKey={k} title={<TabTitleText>{t.ci.systems[k]}</TabTitleText>}>
            <CodeCopy label={t.ci.systems[k]} text={all[k]} />
          </Tab>
        ))}
      </Tabs>
    </>
  )
}
