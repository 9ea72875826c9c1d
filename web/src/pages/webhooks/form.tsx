import type { Schemas } from '@/api/client'
import { TextAreaField, TextField } from '@/form/fields'
import { t } from '@/text'

type Webhook = Schemas['Webhook']

/** Values is what the forms of a webhook hold. */
export type Values = { scope: string; name: string; url: string; events: string }

export const valuesOf = (w: Webhook): Values => ({
  scope: w.project_id ?? w.account_id ?? '',
  name: w.name,
  url: w.url,
  events: (w.events ?? []).join('\n'),
})

/** eventsOf reads patterns of events, one on each line. */
export const eventsOf = (text: string) =>
  text
    .split(/[\s,]+/)
    .map((e) => e.trim())
    .filter(Boolean)

/** Fields are all values of a webhook that people set. */
export function Fields() {
  return (
    <>
      <TextField<Values> name="name" label={t.webhooks.name} help={t.webhooks.nameHelp} required />
      <TextField<Values>
        name="url"
        type="url"
        label={t.webhooks.url}
        help={t.webhooks.urlHelp}
        placeholder="https://hooks.example.com/atoll"
        required
      />
      <TextAreaField<Values> name="events" label={t.webhooks.events} help={t.webhooks.eventsHelp} rows={4} code />
    </>
  )
}
