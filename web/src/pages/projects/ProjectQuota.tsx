import { Button, Progress, ProgressMeasureLocation } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { FormProvider, useForm } from 'react-hook-form'
import { api, client, type Schemas } from '@/api/client'
import { NumberField } from '@/form/fields'
import { count } from '@/format'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import { type Column, DataTable } from '@/ui/DataTable'
import { ErrorView } from '@/ui/ErrorView'

type Project = Schemas['Project']
type Quota = Schemas['Quota']

const columns: Column<Quota>[] = [
  { label: t.projects.resource, cell: (q) => q.resource },
  {
    label: t.projects.inUse,
    cell: (q) =>
      q.limit > 0 ? (
        <Progress
          value={Math.min(100, (100 * q.amount) / q.limit)}
          label={`${count(q.amount)} / ${count(q.limit)}`}
          aria-label={q.resource}
          size="sm"
          measureLocation={ProgressMeasureLocation.outside}
        />
      ) : (
        count(q.amount)
      ),
  },
  { label: t.projects.limit, cell: (q) => (q.limit < 0 ? t.projects.unlimited : count(q.limit)) },
]

/** ProjectQuota is what the project uses and may use. Operators set the limits. */
export function ProjectQuota({ p }: { p: Project }) {
  const me = useMe()
  const [editing, setEditing] = useState(false)
  const quota = useQuery(
    api.queryOptions('get', '/api/v1/projects/{project}/quota', { params: { path: { project: p.id } } }),
  )
  if (quota.error) return <ErrorView error={quota.error as unknown as Error} />
  return (
    <>
      {isOperator(me) && !me.read_only && <Button onClick={() => setEditing(true)}>{t.projects.limits}</Button>}
      <DataTable
        label={t.projects.quota}
        columns={columns}
        rows={quota.data?.items ?? []}
        rowKey={(q) => q.resource}
        loading={quota.isPending}
      />
      {editing && quota.data && <Limits p={p} quota={quota.data.items} onClose={() => setEditing(false)} />}
    </>
  )
}

function Limits({ p, quota, onClose }: { p: Project; quota: Quota[]; onClose: () => void }) {
  const form = useForm<Record<string, number | undefined>>({
    defaultValues: Object.fromEntries(quota.map((q) => [q.resource, q.limit < 0 ? undefined : q.limit])),
  })
  const save = () =>
    client.PUT('/api/v1/projects/{project}/quota', {
      params: { path: { project: p.id } },
      body: { limits: Object.fromEntries(quota.map((q) => [q.resource, form.getValues(q.resource) ?? -1])) },
    })
  return (
    <Confirm title={t.projects.limits} verb={t.save} valid={() => form.trigger()} onConfirm={save} onClose={onClose}>
      <FormProvider {...form}>
        {quota.map((q) => (
          <NumberField key={q.resource} name={q.resource} label={q.resource} help={t.projects.limitHelp} min={0} />
        ))}
      </FormProvider>
    </Confirm>
  )
}
