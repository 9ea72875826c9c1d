import {
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
} from '@patternfly/react-core'
import type { ReactNode } from 'react'
import { t } from '@/text'

/** Facts are the properties of an object. What is undefined is left out, what is empty shows as a dash. */
export function Facts({ items }: { items: [label: string, value: ReactNode | undefined][] }) {
  return (
    <DescriptionList columnModifier={{ default: '1Col', lg: '2Col' }} isHorizontal isCompact>
      {items
        .filter(([, value]) => value !== undefined)
        .map(([label, value]) => (
          <DescriptionListGroup key={label}>
            <DescriptionListTerm>{label}</DescriptionListTerm>
            <DescriptionListDescription className="atoll-text">
              {value === '' || value === null ? t.none : value}
            </DescriptionListDescription>
          </DescriptionListGroup>
        ))}
    </DescriptionList>
  )
}
