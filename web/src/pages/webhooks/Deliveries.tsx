import { Button, CodeBlock, CodeBlockCode } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { newKey } from '@/form/useSubmit'
import { toast } from '@/frame/toasts'
import { useList } from '@/lists'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'
import { deliveryQuery } from './queries'

type Delivery = Schemas['Delivery']

const path = '/api/v1/webhooks/{webhook}/deliveries'

/** readDeliveries reads the messages anew: their attempts are no events. */
export const readDeliveries = (webhook: string) =>
  queries.invalidateQueries({
    predicate: ({ queryKey }) =>
      String(queryKey[1]).startsWith(path) && JSON.stringify(queryKey[2] ?? '').includes(webhook),
  })

const columns: Column<Delivery>[] = [
  { label: t.webhooks.event, cell: (d) => <code>{d.action}</code> },
  { label: t.webhooks.state, cell: (d) => <StateLabel state={d.state} reason={d.error} /> },
  { label: t.webhooks.status, cell: (d) => d.status || t.none },
  { label: t.webhooks.attempts, wide: true, cell: (d) => d.attempts },
  { label: t.webhooks.duration, wide: true, cell: (d) => d.duration || t.none },
  { label: t.webhooks.sent, cell: (d) => <Time value={d.sent_at} /> },
  { label: t.webhooks.nextTry, wide: true, cell: (d) => <Time value={d.next_at} /> },
]

/** Deliveries are the messages of a webhook, with what was answered. */
export function Deliveries({ webhook }: { webhook: string }) {
  const list = useList(path, { path: { webhook }, filters: ['state'], sort: '-created_at', limit: 20 })
  const again = async (d: Delivery) => {
    try {
      await client.POST('/api/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver', {
        params: { path: { webhook, delivery: d.id }, header: { 'Idempotency-Key': newKey() } },
      })
    } catch (e) {
      toast('danger', t.error.title, { body: (e as Error).message })
    }
    await readDeliveries(webhook)
  }
  return (
    <section aria-label={t.webhooks.deliveries}>
      <h2 className="atoll-subtitle">{t.webhooks.deliveries}</h2>
      <ListView
        label={t.webhooks.deliveries}
        list={list}
        columns={columns}
        rowKey={(d) => d.id}
        expand={(d) => <Message webhook={webhook} d={d} />}
        actions={(d) => (
          <Button variant="link" isInline onClick={() => again(d)}>
            {t.webhooks.redeliver}
          </Button>
        )}
        tools={
          <>
            <FilterSelect
              label={t.webhooks.state}
              value={list.filter('state')}
              options={['pending', 'delivered', 'failed']}
              onChange={(v) => list.setFilter('state', v)}
            />
            <Button variant="secondary" onClick={() => readDeliveries(webhook)}>
              {t.webhooks.read}
            </Button>
          </>
        }
        empty={<Empty title={t.webhooks.nothingSent}>{t.webhooks.nothingSentBody}</Empty>}
      />
    </section>
  )
}

function Message({ webhook, d }: { webhook: string; d: Delivery }) {
  const body = useQuery(deliveryQuery(webhook, d.id)).data?.body
  return (
    <div className="atoll-stack">
      {d.error && <p className="atoll-text">{d.error}</p>}
      {body && <Text title={t.webhooks.message} text={pretty(body)} />}
      {d.response && <Text title={t.webhooks.response} text={d.response} />}
    </div>
  )
}

function Text({ title, text }: { title: string; text: string }) {
  return (
    <section>
      <h3 className="atoll-subtitle">{title}</h3>
      <CodeBlock>
        <CodeBlockCode>{text}</CodeBlockCode>
      </CodeBlock>
    </section>
  )
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2)
  } catch {
    return json
  }
}
