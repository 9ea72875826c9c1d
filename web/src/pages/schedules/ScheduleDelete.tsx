import { client, ifMatch } from '@/api/client'
import { t } from '@/text'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import type { Schedule } from './schedule'

/** ScheduleDelete asks before a schedule is deleted. */
export function ScheduleDelete({ s, onClose }: { s: Schedule; onClose: () => void }) {
  const params = { path: { schedule: s.id }, header: ifMatch(s.version) }
  return (
    <ConfirmDelete
      kind={t.schedules.one}
      name={s.name}
      onClose={onClose}
      onConfirm={() => client.DELETE('/api/v1/schedules/{schedule}', { params })}
    >
      {t.schedules.deleting}
    </ConfirmDelete>
  )
}
