import { useQuery } from '@tanstack/react-query'
import { client, ifMatch, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { NumberField, SelectField } from '@/form/fields'
import { PlanButton } from '@/form/PlanView'
import { flag } from '@/form/request'
import { mebibytes } from '@/format'
import { listQuery } from '@/lists'
import { t } from '@/text'

const x = t.machines

type Machine = Schemas['Machine']
type Values = { size: string; disk_gib?: number }

/** MachineResize gives a stopped machine another size or a larger disk. */
export function MachineResize({ m, onClose }: { m: Machine; onClose: () => void }) {
  const sizes = useQuery(listQuery('/api/v1/sizes', { limit: 200 })).data?.items ?? []
  // Only what changes is sent: the size also counts by its disk.
  const body = (v: Values) => ({
    ...(v.size && { size: v.size }),
    ...(v.disk_gib && v.disk_gib !== m.disk_gib && { disk_gib: v.disk_gib }),
  })
  const patch = (v: Values, dryRun?: boolean) =>
    client.PATCH('/api/v1/machines/{machine}', {
      params: { path: { machine: m.id }, query: { dry_run: dryRun }, header: ifMatch(m.version) },
      body: body(v),
    })
  return (
    <FormModal<Values>
      title={`${x.resize}: ${m.name}`}
      lead={x.resizeLead}
      defaults={{ size: '', disk_gib: m.disk_gib }}
      submit={x.resize}
      onClose={onClose}
      request={(v) => ({
        method: 'PATCH',
        path: `/machines/${m.id}`,
        body: body(v),
        cli: [
          'machine update',
          m.id,
          flag('size', sizes.find((s) => s.id === v.size)?.name),
          flag('disk', body(v).disk_gib),
        ],
      })}
      onSubmit={(v) => patch(v)}
      extra={(values, valid) => (
        <PlanButton valid={valid} ask={async () => (await patch(values(), true)).data as unknown as Schemas['Plan']} />
      )}
    >
      <SelectField<Values>
        name="size"
        label={x.size}
        placeholder={`${x.keepSize}: ${x.describe(m.vcpus, mebibytes(m.memory_mib), m.disk_gib)}`}
        options={sizes
          .filter((s) => s.id !== m.size_id)
          .map((s) => ({
            value: s.id,
            label: `${s.name}: ${x.describe(s.vcpus, mebibytes(s.memory_mib), s.disk_gib)}`,
          }))}
      />
      <NumberField<Values> name="disk_gib" label={x.diskGiB} min={m.disk_gib} />
    </FormModal>
  )
}
