import { ExpandableSection } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useFormContext } from 'react-hook-form'
import { useNavigate, useSearchParams } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { FormPage } from '@/form/FormPage'
import { NumberField, SelectField, TextField } from '@/form/fields'
import { PlanButton } from '@/form/PlanView'
import { flag, quote } from '@/form/request'
import { argsOf, defaultsOf, type Schema, SchemaFields } from '@/form/SchemaFields'
import { words } from '@/form/words'
import { listQuery } from '@/lists'
import { paths } from '@/paths'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'
import { Page } from '@/ui/Page'

const x = t.run

type Values = {
  what: 'command' | 'script'
  command: string
  script: string
  args: Record<string, unknown>
  json: string
  where: 'all' | 'role' | 'nodes'
  role: string
  nodes: string
  location: string
  batch: string
  stop_after?: number
  timeout: string
}

function bodyOf(v: Values, schema?: Schema): Schemas['RunCreate'] {
  const args = argsOf(v, schema)
  return {
    ...(v.what === 'command'
      ? { command: words(v.command) }
      : { script: v.script, ...(args !== undefined && { args }) }),
    ...(v.where === 'all' && { all: true }),
    ...(v.where === 'role' && { role: v.role as 'compute' }),
    ...(v.where === 'nodes' && { nodes: v.nodes.split(/[\s,]+/).filter(Boolean) }),
    ...(v.location && { location: v.location }),
    ...(v.batch && { batch: v.batch }),
    ...(v.stop_after && { stop_after: v.stop_after }),
    ...(v.timeout && { timeout: v.timeout }),
  }
}

const cliOf = (v: Values, body: Schemas['RunCreate']) => [
  'run',
  v.where === 'all' && '--all',
  v.where === 'role' && flag('role', v.role),
  ...(body.nodes ?? []).map((n) => flag('node', n)),
  flag('location', v.location),
  flag('batch', v.batch),
  flag('stop-after', v.stop_after),
  flag('timeout', v.timeout),
  v.what === 'script' && flag('script', v.script),
  v.what === 'script' && body.args !== undefined && flag('args', JSON.stringify(body.args)),
  v.what === 'command' && `-- ${(body.command ?? []).map(quote).join(' ')}`,
]

/** RunPage runs a command or a script on many nodes, and goes to its results. */
export function Component() {
  const [params] = useSearchParams()
  const navigate = useNavigate()
  const script = params.get('script') ?? ''
  const node = params.get('node') ?? ''
  const scripts = useQuery(listQuery('/api/v1/scripts', { limit: 1000 }))
  const locations = useQuery(listQuery('/api/v1/locations', { limit: 1000 }))
  if (scripts.error) return <ErrorView error={scripts.error} />
  if (!scripts.data) return <Page title={x.title}>{t.loading}</Page>
  const schemaOf = (name: string) =>
    scripts.data.items.find((s) => s.name === name)?.header.parameters as Schema | undefined
  const defaults: Values = {
    what: script ? 'script' : 'command',
    command: '',
    script,
    args: defaultsOf(schemaOf(script)),
    json: '',
    where: node ? 'nodes' : 'all',
    role: 'compute',
    nodes: node,
    location: '',
    batch: '',
    timeout: '',
  }
  return (
    <Page title={x.title} lead={x.about}>
      <FormPage<Values>
        defaults={defaults}
        submit={x.submit}
        onCancel={() => navigate(-1)}
        request={(v) => {
          const body = bodyOf(v, schemaOf(v.script))
          return { method: 'POST', path: '/runs', body, cli: cliOf(v, body) }
        }}
        onSubmit={async (v, key) => {
          const params = { header: { 'Idempotency-Key': key } }
          const { data } = await client.POST('/api/v1/runs', { params, body: bodyOf(v, schemaOf(v.script)) })
          navigate(paths.operation(data?.id ?? ''))
        }}
        extra={(values, valid) => (
          <PlanButton
            valid={valid}
            ask={async () => {
              const v = values()
              const answer = await client.POST('/api/v1/runs', {
                params: { query: { dry_run: true } },
                body: bodyOf(v, schemaOf(v.script)),
              })
              return answer.data as unknown as Schemas['Plan'] // the answer to dry_run
            }}
          />
        )}
      >
        <Fields scripts={scripts.data.items} locations={locations.data?.items ?? []} schemaOf={schemaOf} />
      </FormPage>
    </Page>
  )
}

type FieldsProps = {
  scripts: Schemas['Script'][]
  locations: Schemas['Location'][]
  schemaOf: (name: string) => Schema | undefined
}

function Fields({ scripts, locations, schemaOf }: FieldsProps) {
  const { watch, setValue } = useFormContext<Values>()
  const v = watch()
  return (
    <>
      <SelectField<Values> name="what" label={x.what} options={choices(x.whatOf)} />
      {v.what === 'command' ? (
        <TextField<Values> name="command" label={x.command} help={x.commandHelp} placeholder="uname -a" required />
      ) : (
        <>
          <SelectField<Values>
            name="script"
            label={x.script}
            options={named(scripts)}
            placeholder={x.choose}
            required
            // Another script's fields begin with its own defaults.
            rules={{ onChange: (e) => setValue('args', defaultsOf(schemaOf(e.target.value))) }}
          />
          {v.script && <SchemaFields key={v.script} schema={schemaOf(v.script)} />}
        </>
      )}
      <SelectField<Values> name="where" label={x.where} options={choices(x.whereOf)} />
      {v.where === 'role' && <SelectField<Values> name="role" label={x.role} options={choices(t.nodes.role)} />}
      {v.where === 'nodes' && <TextField<Values> name="nodes" label={t.nodes.title} help={x.nodesHelp} required />}
      <More locations={locations} />
    </>
  )
}

function More({ locations }: { locations: Schemas['Location'][] }) {
  const [open, setOpen] = useState(false)
  return (
    <ExpandableSection toggleText={x.more} isExpanded={open} onToggle={(_, o) => setOpen(o)} isIndented>
      {locations.length > 1 && (
        <SelectField<Values> name="location" label={x.location} options={named(locations)} placeholder={x.anywhere} />
      )}
      <TextField<Values> name="batch" label={x.batch} help={x.batchHelp} placeholder="10%" />
      <NumberField<Values> name="stop_after" label={x.stopAfter} help={x.stopAfterHelp} min={1} />
      <TextField<Values> name="timeout" label={x.timeout} help={x.timeoutHelp} placeholder="10m" />
    </ExpandableSection>
  )
}

const named = (list: { name: string }[]) => list.map((o) => ({ value: o.name, label: o.name }))

const choices = (words: Record<string, string>) => Object.entries(words).map(([value, label]) => ({ value, label }))
