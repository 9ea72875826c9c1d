// Schedules as pages read and show them.
import { api, type Schemas } from '@/api/client'
import { quote } from '@/form/request'
import { Named } from '@/names'
import { t } from '@/text'

export type Schedule = Schemas['Schedule']

const x = t.schedules

export const scheduleQuery = (schedule: string) =>
  api.queryOptions('get', '/api/v1/schedules/{schedule}', { params: { path: { schedule } } })

/** whatOf is what a schedule runs. */
export const whatOf = (s: Schedule) => s.script || (s.command ?? []).map(quote).join(' ')

/** whenOf is when it runs, in words. */
export const whenOf = (s: Schedule) =>
  s.every ? x.every(s.every) : s.cron ? x.cron(s.cron, s.timezone || 'UTC') : t.none

/** Where is on which nodes a schedule runs. */
export function Where({ s }: { s: Schedule }) {
  if (s.node_id) return <Named kind="node" id={s.node_id} />
  return <>{s.role ? x.withRole(t.nodes.role[s.role] ?? s.role) : x.allNodes}</>
}
