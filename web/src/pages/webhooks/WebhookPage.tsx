import { ActionList, ActionListGroup, ActionListItem, Alert, Button } from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type LoaderFunctionArgs, useNavigate, useParams } from 'react-router'
import { client, ifMatch } from '@/api/client'
import { queries } from '@/api/queries'
import { newKey } from '@/form/useSubmit'
import { toast } from '@/frame/toasts'
import { tell } from '@/pages/deployments/actions'
import { paths } from '@/paths'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Facts } from '@/ui/Facts'
import { Menu } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { Deliveries, readDeliveries } from './Deliveries'
import { webhookQuery } from './queries'
import { SecretOnce } from './SecretOnce'
import { Fares } from './WebhookTable'

export async function loader({ params }: LoaderFunctionArgs) {
  await queries.ensureQueryData(webhookQuery(params.webhook ?? ''))
  return null
}

/** WebhookPage is one webhook: how it fares, and what was sent. */
export function Component() {
  const { data: w } = useSuspenseQuery(webhookQuery(useParams().webhook ?? ''))
  const navigate = useNavigate()
  const [ask, setAsk] = useState<'delete' | 'rotate'>()
  const [secret, setSecret] = useState<string>()
  const path = { webhook: w.id }
  const versioned = { path, header: ifMatch(w.version) }
  const active = w.state === 'active'
  const pause = () => tell(client.PATCH('/api/v1/webhooks/{webhook}', { params: versioned, body: { paused: active } }))
  const ping = async () => {
    try {
      const { data } = await client.POST('/api/v1/webhooks/{webhook}/ping', {
        params: { path, header: { 'Idempotency-Key': newKey() } },
      })
      const ok = data?.state === 'delivered'
      toast(ok ? 'success' : 'danger', ok ? t.webhooks.pinged(data?.status ?? 0) : t.webhooks.pingFailed, {
        body: data?.error,
      })
    } catch (e) {
      toast('danger', t.error.title, { body: (e as Error).message })
    }
    await readDeliveries(w.id)
  }
  return (
    <Page
      title={w.name}
      label={<StateLabel state={w.state} reason={w.reason} />}
      actions={
        <ActionList>
          <ActionListGroup>
            <ActionListItem>
              <Button onClick={ping}>{t.webhooks.ping}</Button>
            </ActionListItem>
            <ActionListItem>
              <Button variant="secondary" onClick={pause}>
                {active ? t.webhooks.pause : t.webhooks.resume}
              </Button>
            </ActionListItem>
            <ActionListItem>
              <Menu
                name={t.actionsOf(w.name)}
                actions={[
                  { label: t.edit, onClick: () => void navigate(paths.webhookEdit(w.id)) },
                  { label: t.webhooks.rotate, onClick: () => setAsk('rotate') },
                  { label: t.delete, danger: true, onClick: () => setAsk('delete') },
                ]}
              />
            </ActionListItem>
          </ActionListGroup>
        </ActionList>
      }
    >
      <div className="atoll-stack">
        {secret && <SecretOnce secret={secret} />}
        {w.state === 'disabled' && (
          <Alert variant="danger" isInline title={t.webhooks.disabled}>
            <p className="atoll-text">{w.reason}</p>
          </Alert>
        )}
        <Facts
          items={[
            [t.webhooks.url, <code key="u">{w.url}</code>],
            [t.webhooks.events, w.events?.length ? w.events.join('\n') : t.webhooks.all],
            [t.webhooks.health, <Fares key="f" w={w} />],
            [t.webhooks.lastError, w.last_error || undefined],
            [t.webhooks.oldSecret, w.old_secret_until ? <Time key="o" value={w.old_secret_until} /> : undefined],
            [t.deployments.created, <Time key="c" value={w.created_at} />],
          ]}
        />
        <Deliveries webhook={w.id} />
      </div>
      {ask === 'rotate' && (
        <Confirm
          title={t.webhooks.rotate}
          verb={t.webhooks.rotate}
          onClose={() => setAsk(undefined)}
          onConfirm={async () => {
            const { data } = await client.POST('/api/v1/webhooks/{webhook}/rotate-secret', {
              params: versioned,
              body: {},
            })
            setSecret(data?.secret)
          }}
        >
          {t.webhooks.rotateBody}
        </Confirm>
      )}
      {ask === 'delete' && (
        <ConfirmDelete
          kind={t.webhooks.one}
          name={w.name}
          onClose={() => setAsk(undefined)}
          onConfirm={async () => {
            await client.DELETE('/api/v1/webhooks/{webhook}', { params: { path } })
            navigate(paths.webhooks)
          }}
        />
      )}
    </Page>
  )
}
