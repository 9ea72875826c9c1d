import { Button, ClipboardCopy, Modal, ModalBody, ModalHeader, TextInput, ToolbarItem } from '@patternfly/react-core'
import { useMemo, useState } from 'react'
import { Link } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { at } from '@/format'
import { listLoader, useDebounced, useList } from '@/lists'
import { Named } from '@/names'
import { pathOf } from '@/paths'
import { isStaff, useMe } from '@/session'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { Facts } from '@/ui/Facts'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Page } from '@/ui/Page'
import { StateLabel } from '@/ui/StateLabel'
import { Time } from '@/ui/Time'

type Event = Schemas['Event']

const x = t.events
const params = ['class', 'outcome', 'actor', 'action', 'subject_kind', 'from', 'to'] as const
const options = { params, scope: 'account', sort: '-seq' } as const

export const loader = listLoader('/api/v1/events', options)

const columnsOf = (show: (e: Event) => void): Column<Event>[] => [
  { label: x.when, sort: 'seq', cell: (e) => <Time value={e.at} /> },
  { label: x.who, cell: (e) => <Actor e={e} /> },
  {
    label: x.action,
    cell: (e) => (
      <Button variant="link" isInline onClick={() => show(e)}>
        {e.action}
      </Button>
    ),
  },
  {
    label: x.subject,
    cell: (e) => {
      const to = pathOf(e.subject_kind, e.subject_id)
      return <bdi>{to ? <Link to={to}>{e.subject_name || e.subject_kind}</Link> : e.subject_name}</bdi>
    },
  },
  { label: x.outcome, cell: (e) => <StateLabel state={e.outcome} reason={e.message} /> },
  { label: x.address, wide: true, cell: (e) => e.address },
]

/** EventsPage is the audit log: who did what, when, from where, and how it ended. */
export function Component() {
  const staff = isStaff(useMe())
  const list = useList('/api/v1/events', options)
  const [actor, setActor] = useDebounced(list.filter('actor'), (v) => list.setFilter('actor', v))
  const [action, setAction] = useDebounced(list.filter('action'), (v) => list.setFilter('action', v))
  const [shown, show] = useState<Event>()
  const columns = useMemo(() => columnsOf(show), [])
  return (
    <Page title={x.title} lead={x.about} actions={<Export query={list.query} staff={staff} />}>
      <ListView
        label={x.title}
        list={list}
        columns={columns}
        rowKey={(e) => e.id}
        tools={
          <>
            <ToolbarItem>
              <TextInput aria-label={x.who} placeholder={x.who} value={actor} onChange={(_, v) => setActor(v)} />
            </ToolbarItem>
            <ToolbarItem>
              <TextInput
                aria-label={x.action}
                placeholder={x.actionHint}
                value={action}
                onChange={(_, v) => setAction(v)}
              />
            </ToolbarItem>
            <FilterSelect
              label={x.outcome}
              value={list.filter('outcome')}
              options={['ok', 'refused', 'failed']}
              onChange={(v) => list.setFilter('outcome', v)}
            />
            <FilterSelect
              label={x.class}
              value={list.filter('class')}
              options={Object.entries(x.classOf).map(([value, label]) => ({ value, label }))}
              onChange={(v) => list.setFilter('class', v)}
            />
            {(['from', 'to'] as const).map((k) => (
              <ToolbarItem key={k} className="atoll-inline">
                <label htmlFor={`events-${k}`}>{x[k]}</label>
                <TextInput
                  id={`events-${k}`}
                  type="datetime-local"
                  value={local(list.filter(k))}
                  onChange={(_, v) => list.setFilter(k, v ? new Date(v).toISOString() : '')}
                />
              </ToolbarItem>
            ))}
          </>
        }
        empty={<Empty title={t.list.empty} />}
      />
      {shown && <EventView event={shown} onClose={() => show(undefined)} />}
    </Page>
  )
}

// Who it was: by name, also where the log has the id alone.
function Actor({ e }: { e: Event }) {
  if (!e.actor_name && e.actor && /^[0-9a-f-]{36}$/.test(e.actor)) return <Named kind="user" id={e.actor} />
  return <bdi>{e.actor_name || e.actor || t.none}</bdi>
}

// What a datetime-local input takes: the reader's time to the minute.
function local(iso: string): string {
  if (!iso) return ''
  const d = new Date(iso)
  return new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

function EventView({ event: e, onClose }: { event: Event; onClose: () => void }) {
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="event-title">
      <ModalHeader title={e.action} labelId="event-title" />
      <ModalBody>
        <Facts
          items={[
            [x.when, at(e.at)],
            [x.who, <Actor key="who" e={e} />],
            [x.subject, [e.subject_kind, e.subject_name].filter(Boolean).join(' ')],
            [x.outcome, e.outcome],
            [x.message, e.message || undefined],
            [x.address, e.address || undefined],
            [x.credential, e.credential || undefined],
            [x.request, e.request_id || undefined],
            [x.number, String(e.seq)],
            [x.hash, e.hash && <ClipboardCopy isReadOnly>{e.hash}</ClipboardCopy>],
          ]}
        />
        {e.difference !== undefined && (
          <pre className="atoll-code atoll-text">{JSON.stringify(e.difference, null, 2)}</pre>
        )}
      </ModalBody>
    </Modal>
  )
}

// The log as a file, under the same conditions as the list; and the check of its chain.
function Export({ query, staff }: { query: Record<string, unknown>; staff: boolean }) {
  const [checked, setChecked] = useState<Schemas['EventVerification']>()
  const [error, setError] = useState<Error>()
  const href = (format: string) => {
    const p = new URLSearchParams({ format })
    for (const [k, v] of Object.entries(query))
      if (!['limit', 'sort', 'cursor'].includes(k)) for (const one of [v].flat()) p.append(k, String(one))
    return `/api/v1/events:export?${p}`
  }
  const verify = () => client.GET('/api/v1/events:verify').then((a) => setChecked(a.data), setError)
  return (
    <>
      {['csv', 'jsonl'].map((format) => (
        <Button key={format} variant="link" component="a" href={href(format)} download>
          {x.export(format.toUpperCase())}
        </Button>
      ))}
      {staff && (
        <Button variant="link" onClick={verify}>
          {x.verify}
        </Button>
      )}
      {(checked || error) && (
        <Modal
          isOpen
          variant="small"
          onClose={() => [setChecked(undefined), setError(undefined)]}
          aria-label={x.verify}
        >
          <ModalHeader title={x.verify} />
          <ModalBody>
            {error && <ErrorView error={error} />}
            {checked?.ok && <p>{x.sound(checked.events)}</p>}
            {checked && !checked.ok && <p>{x.broken(checked.broken ?? 0, checked.reason ?? '')}</p>}
          </ModalBody>
        </Modal>
      )}
    </>
  )
}
