import { Alert, Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'

/** SecretOnce shows what signs the messages of a webhook: only now. */
export function SecretOnce({ secret, to }: { secret: string; to?: string }) {
  return (
    <Alert
      variant="success"
      isInline
      title={t.webhooks.secretTitle}
      actionLinks={to && <Button component={(p) => <Link {...p} to={to} />}>{t.webhooks.kept}</Button>}
    >
      <p>{t.webhooks.secretBody}</p>
      <Copyable text={secret} label={t.webhooks.secret} />
    </Alert>
  )
}
