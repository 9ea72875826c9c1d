import { FormGroup, TextInput } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useSearchParams } from 'react-router'
import { api } from '@/api/client'
import { bytes, count } from '@/format'
import { t } from '@/text'
import { type Column, DataTable } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'
import { resourceName, resources } from './resources'
import type { Scope } from './Usage'

const x = t.usage

type Row = { name: string; amount: string }

const day = (d: Date) => d.toISOString().slice(0, 10)

/** span is the days in the address, or this month up to now. */
function span(params: URLSearchParams): { from: string; to: string } {
  const now = new Date()
  return { from: params.get('from') || `${day(now).slice(0, 8)}01`, to: params.get('to') || day(now) }
}

/** Used is what was used between two days, both of them included. */
export function Used({ account, cloudspace }: Scope) {
  const [params, setParams] = useSearchParams()
  const { from, to } = span(params)
  const end = new Date(`${to}T00:00:00Z`)
  end.setUTCDate(end.getUTCDate() + 1)
  const query = { from: `${from}T00:00:00Z`, to: end.toISOString().replace(/\.\d+/, '') }
  const ofAccount = useQuery({
    ...api.queryOptions('get', '/api/v1/accounts/{account}/usage', { params: { path: { account }, query } }),
    enabled: !cloudspace,
  })
  const ofCloudspace = useQuery({
    ...api.queryOptions('get', '/api/v1/cloudspaces/{cloudspace}/usage', {
      params: { path: { cloudspace: cloudspace ?? '' }, query },
    }),
    enabled: Boolean(cloudspace),
  })
  const { data, error } = cloudspace ? ofCloudspace : ofAccount
  const rows: Row[] = [
    ...resources
      .map((r) => ({ r, hours: (data?.resources[r] ?? 0) / 3600 }))
      .filter(({ hours }) => hours > 0)
      .map(({ r, hours }) =>
        r.endsWith('_mib') || r.endsWith('_gib')
          ? { name: `${resourceName(r)} ${x.inGiB}`, amount: count(r.endsWith('_mib') ? hours / 1024 : hours) }
          : { name: resourceName(r), amount: count(hours) },
      ),
    ...Object.entries(data?.counters ?? {}).map(([r, n]) => ({ name: r.replaceAll('_', ' '), amount: bytes(n) })),
  ]
  const columns: Column<Row>[] = [
    { label: x.resource, cell: (r) => r.name },
    { label: x.hours, numeric: true, cell: (r) => r.amount },
  ]
  const field = (name: 'from' | 'to', value: string) => (
    <FormGroup label={x[name]} fieldId={`usage-${name}`}>
      <TextInput
        id={`usage-${name}`}
        type="date"
        value={value}
        onChange={(_, v) =>
          setParams(
            (old) => {
              const p = new URLSearchParams(old)
              if (v) p.set(name, v)
              else p.delete(name)
              return p
            },
            { replace: true },
          )
        }
      />
    </FormGroup>
  )
  return (
    <>
      <div className="atoll-buttons atoll-live">
        {field('from', from)}
        {field('to', to)}
      </div>
      {error && <ErrorView error={error as unknown as Error} />}
      {data && rows.length === 0 && <Empty title={x.nothing}>{x.nothingBody}</Empty>}
      {rows.length > 0 && <DataTable label={x.used} columns={columns} rows={rows} rowKey={(r) => r.name} />}
    </>
  )
}
