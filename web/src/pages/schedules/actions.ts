import { client, ifMatch } from '@/api/client'
import { toast } from '@/frame/toasts'
import { t } from '@/text'
import type { MenuAction } from '@/ui/Menu'
import type { Schedule } from './schedule'

/** pauseAction stops a schedule for a while, or lets it go on. */
export function pauseAction(s: Schedule, blocked: string | undefined): MenuAction {
  const params = { path: { schedule: s.id }, header: ifMatch(s.version) }
  const call = s.paused ? '/api/v1/schedules/{schedule}/resume' : '/api/v1/schedules/{schedule}/pause'
  return {
    label: s.paused ? t.schedules.resume : t.schedules.pause,
    blocked,
    onClick: () =>
      void client.POST(call, { params }).catch((e: Error) => toast('danger', t.error.title, { body: e.message })),
  }
}
