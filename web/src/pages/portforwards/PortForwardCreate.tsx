import { useQuery } from '@tanstack/react-query'
import { client, type Schemas } from '@/api/client'
import { FormModal } from '@/form/FormModal'
import { NumberField, SelectField } from '@/form/fields'
import { PlanButton } from '@/form/PlanView'
import { flag } from '@/form/request'
import { listQuery } from '@/lists'
import { useChosen } from '@/session'
import { t } from '@/text'

const x = t.portForwards

type Values = { machine: string; protocol: 'tcp' | 'udp'; public_port?: number; port?: number }
type Props = { machine?: Schemas['Machine']; cloudspace?: Schemas['Cloudspace']; onClose: () => void }

/** PortForwardCreate leads a public port to a machine: the given one, or one of the cloudspace or the chosen scope. */
export function PortForwardCreate({ machine, cloudspace, onClose }: Props) {
  const chosen = useChosen()
  const filter = [
    ...((cloudspace?.id ?? chosen.cloudspace) ? [`cloudspace=${cloudspace?.id ?? chosen.cloudspace}`] : []),
    ...(!cloudspace && chosen.account ? [`account=${chosen.account}`] : []),
  ]
  const list = useQuery({
    ...listQuery('/api/v1/machines', { limit: 500, sort: 'name', ...(filter.length && { filter }) }),
    enabled: !machine,
  }).data
  const machines = machine ? [machine] : (list?.items ?? [])
  const body = (v: Values) => ({
    machine: v.machine,
    protocol: v.protocol,
    public_port: Number(v.public_port),
    port: Number(v.port),
  })
  const post = (v: Values, key?: string) =>
    client.POST('/api/v1/port-forwards', {
      params: { query: { dry_run: key === undefined }, header: { 'Idempotency-Key': key } },
      body: body(v),
    })
  return (
    <FormModal<Values>
      title={x.create}
      lead={machines.length === 0 && list ? x.noMachines : x.lead}
      defaults={{ machine: machine?.id ?? '', protocol: 'tcp', port: 22 }}
      submit={t.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/port-forwards',
        body: body(v),
        cli: [
          'port-forward create',
          flag('machine', v.machine),
          flag('public-port', v.public_port),
          flag('port', v.port),
          v.protocol !== 'tcp' && flag('protocol', v.protocol),
        ],
      })}
      onSubmit={post}
      extra={(values, valid) => (
        <PlanButton valid={valid} ask={async () => (await post(values())).data as unknown as Schemas['Plan']} />
      )}
    >
      {!machine && (
        <SelectField<Values>
          name="machine"
          label={x.machine}
          required
          placeholder=""
          options={machines.map((m) => ({ value: m.id, label: `${m.name} (${m.address})` }))}
        />
      )}
      <NumberField<Values>
        name="public_port"
        label={x.publicPort}
        help={x.publicPortHelp}
        min={1024}
        max={65535}
        required
      />
      <NumberField<Values> name="port" label={x.port} min={1} max={65535} required />
      <SelectField<Values>
        name="protocol"
        label={x.protocol}
        options={[
          { value: 'tcp', label: 'TCP' },
          { value: 'udp', label: 'UDP' },
        ]}
      />
    </FormModal>
  )
}
