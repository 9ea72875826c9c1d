// The form of a schedule, to create one and to change it.
import { useQuery } from '@tanstack/react-query'
import { useFormContext } from 'react-hook-form'
import type { Schemas } from '@/api/client'
import { SelectField, TextField } from '@/form/fields'
import { flag, quote } from '@/form/request'
import { argsOf, defaultsOf, type Schema, SchemaFields } from '@/form/SchemaFields'
import { words } from '@/form/words'
import { listQuery } from '@/lists'
import { t } from '@/text'

const x = t.schedules
const r = t.run

export type Values = {
  name: string
  what: 'script' | 'command'
  script: string
  command: string
  args: Record<string, unknown>
  json: string
  where: 'all' | 'role' | 'node'
  node: string
  role: string
  how: 'every' | 'cron'
  every: string
  cron: string
  timezone: string
  jitter: string
  miss: 'skip' | 'once'
  timeout: string
}

/** empty is what the form holds at first. */
export const empty: Values = {
  name: '',
  what: 'script',
  script: '',
  command: '',
  args: {},
  json: '',
  where: 'all',
  node: '',
  role: 'compute',
  how: 'every',
  every: '5m',
  cron: '',
  timezone: '',
  jitter: '',
  miss: 'skip',
  timeout: '',
}

/** changeOf is what can be changed of a schedule, with fields that say nothing where they are empty. */
export const changeOf = (v: Values, schema?: Schema) => {
  const args = v.what === 'script' ? argsOf(v, schema) : undefined
  return {
    ...(args !== undefined && { args }),
    ...(v.how === 'every' ? { every: v.every } : { cron: v.cron, timezone: v.timezone }),
    jitter: v.jitter,
    miss: v.miss,
    timeout: v.timeout,
  }
}

/** createOf is the call that makes the schedule. */
export const createOf = (v: Values, schema?: Schema): Schemas['ScheduleCreate'] => ({
  name: v.name,
  ...(v.what === 'script' ? { script: v.script } : { command: words(v.command) }),
  ...(v.where === 'all' && { all: true }),
  ...(v.where === 'role' && { role: v.role as 'compute' }),
  ...(v.where === 'node' && { node: v.node }),
  ...(Object.fromEntries(Object.entries(changeOf(v, schema)).filter(([, f]) => f !== '')) as object),
})

/** timesOf are the flags of when a schedule runs. */
export const timesOf = (v: Values) => [
  v.how === 'every' ? flag('every', v.every) : flag('cron', v.cron),
  v.how === 'cron' && flag('timezone', v.timezone),
  flag('jitter', v.jitter),
  v.miss !== 'skip' && flag('miss', v.miss),
  flag('job-timeout', v.timeout),
]

/** argFlags are a script's arguments as flags. */
export const argFlags = (v: Values, schema?: Schema) =>
  Object.entries((v.what === 'script' && (argsOf(v, schema) as object)) || {}).map(([k, a]) =>
    flag('arg', `${k}=${typeof a === 'string' ? a : JSON.stringify(a)}`),
  )

/** cliOf is the command that makes the schedule. */
export const cliOf = (v: Values, schema?: Schema) => [
  'schedule create',
  quote(v.name || 'NAME'),
  v.what === 'script' && flag('script', v.script),
  v.where === 'all' && '--all',
  v.where === 'role' && flag('role', v.role),
  v.where === 'node' && flag('node', v.node),
  ...timesOf(v),
  ...argFlags(v, schema),
  v.what === 'command' && `-- ${words(v.command).map(quote).join(' ')}`,
]

const choices = (list: Record<string, string>) => Object.entries(list).map(([value, label]) => ({ value, label }))

/** useSchemas are the parameters of all scripts by their names; undefined until they are read. */
export function useSchemas() {
  const scripts = useQuery(listQuery('/api/v1/scripts', { limit: 1000 })).data?.items
  return scripts && new Map(scripts.map((s) => [s.name, s.header.parameters as Schema | undefined]))
}

type Props = { schemas: Map<string, Schema | undefined>; create: boolean }

/** ScheduleFields are the form's fields; what and where are fixed once the schedule is there. */
export function ScheduleFields({ schemas, create }: Props) {
  const { watch, setValue } = useFormContext<Values>()
  const v = watch()
  return (
    <>
      {create && (
        <>
          <TextField<Values> name="name" label={x.name} help={x.nameHelp} required placeholder="nightly" />
          <SelectField<Values> name="what" label={r.what} options={choices(r.whatOf)} />
          {v.what === 'script' && (
            <SelectField<Values>
              name="script"
              label={r.script}
              options={[...schemas.keys()].map((name) => ({ value: name, label: name }))}
              placeholder={r.choose}
              required
              // Another script's fields begin with its own defaults.
              rules={{ onChange: (e) => setValue('args', defaultsOf(schemas.get(e.target.value))) }}
            />
          )}
          {v.what === 'command' && (
            <TextField<Values> name="command" label={r.command} help={r.commandHelp} required placeholder="uptime" />
          )}
        </>
      )}
      {v.what === 'script' && v.script && <SchemaFields key={v.script} schema={schemas.get(v.script)} />}
      {create && (
        <>
          <SelectField<Values>
            name="where"
            label={x.where}
            options={choices({ all: r.whereOf.all ?? '', role: r.whereOf.role ?? '', node: x.node })}
          />
          {v.where === 'role' && <SelectField<Values> name="role" label={r.role} options={choices(t.nodes.role)} />}
          {v.where === 'node' && <TextField<Values> name="node" label={x.node} required />}
        </>
      )}
      <SelectField<Values> name="how" label={x.how} options={choices(x.howOf)} />
      {v.how === 'every' ? (
        <TextField<Values> name="every" label={x.period} help={x.periodHelp} required />
      ) : (
        <>
          <TextField<Values> name="cron" label={x.line} help={x.lineHelp} required placeholder="30 2 * * *" />
          <TextField<Values> name="timezone" label={x.zone} help={x.zoneHelp} placeholder="Europe/Brussels" />
        </>
      )}
      <TextField<Values> name="jitter" label={x.jitter} help={x.jitterHelp} />
      <SelectField<Values> name="miss" label={x.miss} options={choices(x.missOf)} />
      <TextField<Values> name="timeout" label={x.timeout} help={r.timeoutHelp} />
    </>
  )
}
