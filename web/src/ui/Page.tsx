import { Content, Flex, FlexItem, PageSection, Title } from '@patternfly/react-core'
import { type ReactNode, useEffect } from 'react'
import { t } from '@/text'

type Props = {
  title: string
  /** beside the title: a state */
  label?: ReactNode
  /** one sentence below the title */
  lead?: ReactNode
  actions?: ReactNode
  /** the parts of the page, each with an address of its own */
  tabs?: ReactNode
  children: ReactNode
}

/** Page is a page's head and body; each page is exactly one. */
export function Page({ title, label, lead, actions, tabs, children }: Props) {
  useEffect(() => {
    document.title = `${title} – ${t.product}`
  }, [title])
  return (
    <>
      <PageSection>
        <Flex justifyContent={{ default: 'justifyContentSpaceBetween' }} alignItems={{ default: 'alignItemsCenter' }}>
          <Flex alignItems={{ default: 'alignItemsCenter' }} columnGap={{ default: 'columnGapMd' }}>
            <Title headingLevel="h1" className="atoll-title">
              <bdi>{title}</bdi>
            </Title>
            {label}
          </Flex>
          {actions && <FlexItem>{actions}</FlexItem>}
        </Flex>
        {lead && <Content component="p">{lead}</Content>}
      </PageSection>
      {tabs && <div className="atoll-tab-section">{tabs}</div>}
      <PageSection isFilled>{children}</PageSection>
    </>
  )
}
