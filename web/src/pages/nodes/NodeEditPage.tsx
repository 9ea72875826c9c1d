import { useNavigate } from 'react-router'
import { client, ifMatch, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { NumberField, TextAreaField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { loadNode, nodeQuery, useNode } from './node'

export const loader = loadNode

const x = t.nodes

type Values = { name: string; labels: string; cpu_overcommit?: number }

const valuesOf = (n: Schemas['Node']): Values => ({
  name: n.name,
  labels: Object.entries(n.labels ?? {})
    .map(([k, v]) => `${k}=${v}`)
    .join('\n'),
  cpu_overcommit: n.cpu_overcommit,
})

const linesOf = (text: string) => text.split('\n').filter((l) => l.trim())

const labelsOf = (text: string) =>
  Object.fromEntries(
    linesOf(text).map((l) => {
      const [k = '', ...v] = l.trim().split('=')
      return [k, v.join('=')]
    }),
  )

/** NodeEditPage changes what an operator says of a node. */
export function Component() {
  const n = useNode()
  const navigate = useNavigate()
  const back = () => navigate(paths.node(n.id))
  return (
    <Page title={`${x.edit}: ${n.name}`}>
      <FormPage<Values>
        defaults={valuesOf(n)}
        submit={t.save}
        onCancel={back}
        edit={{
          version: n.version,
          reload: async () => {
            const now = await queries.fetchQuery({ ...nodeQuery(n.id), staleTime: 0 })
            return { version: now.version, values: valuesOf(now) }
          },
          labels: { name: x.name, labels: x.labels, cpu_overcommit: x.overcommit },
        }}
        request={(v) => ({
          method: 'PATCH',
          path: `/nodes/${n.id}`,
          body: { ...v, labels: labelsOf(v.labels) },
          cli: [
            'node update',
            n.name,
            v.name !== n.name && flag('name', v.name),
            flag('cpu-overcommit', v.cpu_overcommit),
            ...linesOf(v.labels).map((l) => flag('label', l.trim())),
          ],
        })}
        onSubmit={async (v, _, version) => {
          const params = { path: { node: n.id }, header: ifMatch(version) }
          await client.PATCH('/api/v1/nodes/{node}', { params, body: { ...v, labels: labelsOf(v.labels) } })
          back()
        }}
      >
        <TextField<Values> name="name" label={x.name} required />
        <TextAreaField<Values>
          name="labels"
          label={x.labels}
          help={x.labelsHelp}
          code
          rules={{ validate: (v) => linesOf(String(v)).every((l) => /^[^=\s]+=/.test(l.trim())) || x.labelsBad }}
        />
        <NumberField<Values>
          name="cpu_overcommit"
          label={x.overcommit}
          help={x.overcommitHelp}
          min={100}
          max={3200}
          required
        />
      </FormPage>
    </Page>
  )
}
