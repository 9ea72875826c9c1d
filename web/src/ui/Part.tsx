import { Content, Title } from '@patternfly/react-core'
import type { ReactNode } from 'react'

type PartProps = { title: ReactNode; lead?: string; actions?: ReactNode; children: ReactNode }

/** Part is a part of a page under a title of its own. */
export function Part({ title, lead, actions, children }: PartProps) {
  return (
    <section className="atoll-part">
      <div className="atoll-row">
        <Title headingLevel="h2" size="lg">
          {title}
        </Title>
        {actions}
      </div>
      {lead && (
        <Content component="p" className="atoll-small">
          {lead}
        </Content>
      )}
      {children}
    </section>
  )
}
