import { Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import { listLoader } from '@/lists'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { Jobs, options } from './Jobs'

export const loader = listLoader('/api/v1/jobs', options)

/** JobsPage lists what ran and runs on nodes. */
export function Component() {
  const operator = isOperator(useMe())
  return (
    <Page
      title={t.jobs.title}
      lead={t.jobs.about}
      actions={operator && <Button component={(p) => <Link {...p} to={paths.run} />}>{t.run.title}</Button>}
    >
      <Jobs />
    </Page>
  )
}
