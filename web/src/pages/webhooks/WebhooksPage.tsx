import { Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import { listLoader } from '@/lists'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { WebhookTable, webhookOptions } from './WebhookTable'

export const loader = listLoader('/api/v1/webhooks', webhookOptions)

/** WebhooksPage lists the webhooks that somebody may see. */
export function Component() {
  return (
    <Page
      title={t.webhooks.title}
      lead={t.webhooks.about}
      actions={<Button component={(p) => <Link {...p} to={paths.webhookCreate} />}>{t.webhooks.create}</Button>}
    >
      <WebhookTable options={webhookOptions} create={paths.webhookCreate} />
    </Page>
  )
}
