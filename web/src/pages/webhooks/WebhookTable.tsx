import { Button } from '@patternfly/react-core'
import { Link } from 'react-router'
import type { Schemas } from '@/api/client'
import { type ListOptions, useDebounced, useList } from '@/lists'
import { paths } from '@/paths'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'

type Webhook = Schemas['Webhook']

const columns: Column<Webhook>[] = [
  {
    label: t.webhooks.name,
    sort: 'name',
    cell: (w) => (
      <Link to={paths.webhook(w.id)}>
        <bdi>{w.name}</bdi>
      </Link>
    ),
  },
  { label: t.webhooks.state, cell: (w) => <StateLabel state={w.state} reason={w.reason} /> },
  { label: t.webhooks.health, cell: (w) => <Fares w={w} /> },
  { label: t.webhooks.url, wide: true, cell: (w) => <code>{w.url}</code> },
  { label: t.webhooks.events, wide: true, cell: (w) => (w.events?.length ? w.events.join(', ') : t.webhooks.all) },
]

/** Fares is how the last messages to a webhook went. */
export function Fares({ w }: { w: Webhook }) {
  if (w.failing_since)
    return (
      <>
        {t.webhooks.failing} <Time value={w.failing_since} />
      </>
    )
  if (!w.last_at) return <>{t.webhooks.untried}</>
  return (
    <>
      {t.webhooks.answered(w.last_status ?? 0)} <Time value={w.last_at} />
    </>
  )
}

/** webhookOptions are those of the list of webhooks. */
export const webhookOptions = { search: 'name', filters: ['state'], scope: 'account', sort: 'name' } as const

/** WebhookTable lists webhooks: all that somebody may see, or those of one project. */
export function WebhookTable({ options, create }: { options: ListOptions; create: string }) {
  const list = useList('/api/v1/webhooks', options)
  const [q, setQ] = useDebounced(list.q, list.setQ)
  return (
    <ListView
      label={t.webhooks.title}
      list={list}
      columns={columns}
      rowKey={(w) => w.id}
      search={{ value: q, onChange: setQ, by: t.webhooks.name }}
      tools={
        <FilterSelect
          label={t.webhooks.state}
          value={list.filter('state')}
          options={['active', 'paused', 'disabled']}
          onChange={(v) => list.setFilter('state', v)}
        />
      }
      empty={
        <Empty
          title={t.webhooks.none}
          actions={<Button component={(p) => <Link {...p} to={create} />}>{t.webhooks.create}</Button>}
        >
          {t.webhooks.about}
        </Empty>
      }
    />
  )
}
