import { client, type Schemas } from '@/api/client'
import { toast } from '@/frame/toasts'
import { t } from '@/text'
import type { MenuAction } from '@/ui/Menu'

type Machine = Schemas['Machine']

/** run makes a call that starts an operation, and tells if it is refused; the tasks show the rest. */
const run = (call: Promise<unknown>) =>
  void call.catch((e: Error) => toast('danger', t.error.title, { body: e.message }))

/** machineActions is what can be done with a machine, and why not where it cannot. */
export function machineActions(m: Machine, role: string | undefined, onDelete: (m: Machine) => void): MenuAction[] {
  const params = { path: { machine: m.id } }
  const cannot = role === 'writer' || role === 'admin' ? undefined : t.machines.onlyWriters
  const unless = (state: string, why: string) => cannot ?? (m.state === state ? undefined : why)
  return [
    {
      label: t.machines.start,
      blocked: unless('stopped', t.machines.notStopped),
      onClick: () => run(client.POST('/api/v1/machines/{machine}/start', { params })),
    },
    {
      label: t.machines.stop,
      blocked: unless('running', t.machines.notRunning),
      onClick: () => run(client.POST('/api/v1/machines/{machine}/stop', { params, body: {} })),
    },
    {
      label: t.machines.switchOff,
      blocked: unless('running', t.machines.notRunning),
      onClick: () => run(client.POST('/api/v1/machines/{machine}/stop', { params, body: { force: true } })),
    },
    {
      label: t.machines.reboot,
      blocked: unless('running', t.machines.notRunning),
      onClick: () => run(client.POST('/api/v1/machines/{machine}/reboot', { params })),
    },
    { label: t.delete, danger: true, blocked: cannot, onClick: () => onDelete(m) },
  ]
}
