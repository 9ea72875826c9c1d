import type { Schemas } from '@/api/client'
import { useList } from '@/lists'
import { Named } from '@/names'
import { t } from '@/text'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { FilterSelect } from '@/ui/FilterSelect'
import { ListView } from '@/ui/ListView'
import { Time } from '@/ui/Time'
import { amountOf, resourceName, resources } from './resources'
import type { Scope } from './Usage'

const x = t.usage

type Entry = Schemas['LedgerEntry']

const options = { filters: ['resource'], sort: '-created_at', prefix: 'ledger.', limit: 25 }

const columns: Column<Entry>[] = [
  { label: x.when, cell: (e) => <Time value={e.at} /> },
  { label: x.resource, cell: (e) => resourceName(e.resource) },
  {
    label: x.change,
    numeric: true,
    cell: (e) => `${e.delta < 0 ? '−' : '+'}${amountOf(e.resource, Math.abs(e.delta))}`,
  },
  { label: x.reason, cell: (e) => e.reason ?? t.none },
  {
    label: x.subject,
    wide: true,
    cell: (e) =>
      e.subject_kind === 'machine' ? <Named kind="machine" id={e.subject_id} /> : (e.subject_kind ?? t.none),
  },
]

/** Ledger is each change of what an account or cloudspace uses. */
export function Ledger({ account, cloudspace }: Scope) {
  return cloudspace ? <OfCloudspace cloudspace={cloudspace} /> : <OfAccount account={account} />
}

const OfAccount = ({ account }: { account: string }) => (
  <Entries list={useList('/api/v1/accounts/{account}/ledger', { ...options, path: { account } })} />
)

const OfCloudspace = ({ cloudspace }: { cloudspace: string }) => (
  <Entries list={useList('/api/v1/cloudspaces/{cloudspace}/ledger', { ...options, path: { cloudspace } })} />
)

function Entries({ list }: { list: ReturnType<typeof useList<'/api/v1/accounts/{account}/ledger'>> }) {
  return (
    <ListView
      label={x.ledger}
      list={list}
      columns={columns}
      rowKey={(e) => e.id}
      tools={
        <FilterSelect
          label={x.resource}
          value={list.filter('resource')}
          options={resources.map((r) => ({ value: r, label: resourceName(r) }))}
          onChange={(v) => list.setFilter('resource', v)}
        />
      }
      empty={<Empty title={x.noEntries} />}
    />
  )
}
