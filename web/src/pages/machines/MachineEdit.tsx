import { client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormModal } from '@/form/FormModal'
import { SelectField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { objectQuery } from '@/names'
import { t } from '@/text'

const x = t.machines

type Machine = Schemas['Machine']
type Values = { name: string; description: string; run_strategy: Machine['run_strategy'] }

const valuesOf = (m: Machine): Values => ({
  name: m.name,
  description: m.description ?? '',
  run_strategy: m.run_strategy,
})

/** MachineEdit changes what a machine is called, what it is for, and what to do when it is found off. */
export function MachineEdit({ m, onClose }: { m: Machine; onClose: () => void }) {
  return (
    <FormModal<Values>
      title={`${x.edit}: ${m.name}`}
      defaults={valuesOf(m)}
      submit={t.save}
      onClose={onClose}
      request={(body) => ({
        method: 'PATCH',
        path: `/machines/${m.id}`,
        body,
        cli: [
          'machine update',
          m.id,
          flag('name', body.name),
          flag('description', body.description),
          flag('run-strategy', body.run_strategy),
        ],
      })}
      edit={{
        version: m.version,
        labels: { name: x.name, description: x.description, run_strategy: x.strategy },
        show: { run_strategy: (v) => x.strategies[v] },
        reload: async () => {
          const now = await queries.fetchQuery({ ...objectQuery<Machine>('machine', m.id), staleTime: 0 })
          return { version: now.version, values: valuesOf(now) }
        },
      }}
      onSubmit={(body, _, version) =>
        client.PATCH('/api/v1/machines/{machine}', {
          params: { path: { machine: m.id }, header: ifMatch(version) },
          body,
        })
      }
    >
      <TextField<Values> name="name" label={x.name} help={x.nameHelp} required />
      <TextField<Values> name="description" label={x.description} />
      <SelectField<Values>
        name="run_strategy"
        label={x.strategy}
        options={Object.entries(x.strategies).map(([value, label]) => ({ value, label }))}
      />
    </FormModal>
  )
}
