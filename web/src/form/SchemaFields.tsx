import { t } from '@/text'
import { CheckField, NumberField, SelectField, TextAreaField, TextField } from './fields'
import { isJSON } from './json'

/** The part of JSON Schema that forms are made from; what is beyond it is typed as JSON. */
export type Schema = {
  type?: string
  title?: string
  description?: string
  enum?: unknown[]
  default?: unknown
  minimum?: number
  maximum?: number
  properties?: Record<string, Schema>
  required?: string[]
}

const simple = ['string', 'integer', 'number', 'boolean']

/** isSimple reports whether a form can be made of the schema: an object of plain values. */
export const isSimple = (s?: Schema): s is Schema & { properties: Record<string, Schema> } =>
  Boolean(s?.properties) &&
  Object.entries(s?.properties ?? {}).every(
    // A name with a dot would be a path to the form.
    ([k, p]) =>
      !k.includes('.') && (p.enum ? p.enum.every((v) => typeof v === 'string') : simple.includes(p.type ?? '')),
  )

/** defaultsOf is what the fields hold at first. */
export const defaultsOf = (s?: Schema, given: Record<string, unknown> = {}) =>
  Object.fromEntries(
    Object.entries(s?.properties ?? {}).map(([k, p]) => [
      k,
      given[k] ?? p.default ?? (p.type === 'boolean' ? false : ''),
    ]),
  )

/** valuesOf leaves out what was left empty, and what another schema's fields held. */
export const valuesOf = (args: Record<string, unknown>, s: Schema) =>
  Object.fromEntries(Object.entries(args).filter(([k, v]) => s.properties?.[k] && v !== '' && v !== undefined))

/**
 * argsOf is what a form with SchemaFields holds: nothing for a schema that takes nothing,
 * and what was typed as JSON where no fields can be made of it.
 */
export function argsOf(v: { args: Record<string, unknown>; json: string }, s?: Schema): unknown {
  if (!isSimple(s)) return v.json ? safeJSON(v.json) : undefined
  const args = valuesOf(v.args, s)
  return Object.keys(args).length > 0 ? args : undefined
}

function safeJSON(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the field says so; nothing is sent before it is right
  }
}

/** SchemaFields are the fields of a JSON Schema, below args of the form that they are in. */
export function SchemaFields({ schema }: { schema?: Schema }) {
  if (!isSimple(schema))
    return (
      <TextAreaField
        name="json"
        label={t.form.args}
        rows={4}
        code
        placeholder="{}"
        rules={{ validate: isJSON(t.form.argsBad) }}
      />
    )
  return (
    <>
      {Object.entries(schema.properties).map(([key, p]) => {
        const common = {
          name: `args.${key}`,
          label: p.title ?? key,
          help: p.description,
          required: schema.required?.includes(key),
        }
        if (p.enum)
          return (
            <SelectField
              key={key}
              {...common}
              options={p.enum.map((v) => ({ value: String(v), label: String(v) }))}
              placeholder={t.none}
            />
          )
        if (p.type === 'boolean') return <CheckField key={key} {...common} />
        if (p.type === 'integer' || p.type === 'number')
          return <NumberField key={key} {...common} min={p.minimum} max={p.maximum} />
        return <TextField key={key} {...common} />
      })}
    </>
  )
}
