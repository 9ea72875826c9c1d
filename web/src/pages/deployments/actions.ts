import type { NavigateFunction } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { toast } from '@/frame/toasts'
import { paths } from '@/paths'
import { t } from '@/text'
import type { MenuAction } from '@/ui/Menu'

type Deployment = Schemas['Deployment']

/** Ask is what the user is asked about before it is done. */
export type Ask = { what: 'archive' | 'cleanup' | 'delete' | 'extend'; d: Deployment }

/** tell makes a call and tells if it is refused; the tasks show the rest. */
export const tell = (call: Promise<unknown>) =>
  void call.catch((e: Error) => toast('danger', t.error.title, { body: e.message }))

const params = (d: Deployment) => ({ path: { deployment: d.id } })

export const archive = (d: Deployment) => client.POST('/api/v1/deployments/{deployment}/archive', { params: params(d) })
export const restore = (d: Deployment) => client.POST('/api/v1/deployments/{deployment}/restore', { params: params(d) })
export const cleanup = (d: Deployment) => client.POST('/api/v1/deployments/{deployment}/cleanup', { params: params(d) })
export const forget = (d: Deployment, force: boolean) =>
  client.DELETE('/api/v1/deployments/{deployment}', { params: { ...params(d), query: force ? { force } : {} } })

/** whyNot are the reasons for which the actions are not possible now; undefined where they are. */
export function whyNot(d: Deployment, role: string | undefined) {
  const cannot = role === 'writer' || role === 'admin' ? undefined : t.deployments.onlyWriters
  const archived = d.state === 'Archived'
  const going = d.state === 'DeletePending'
  const endable = archived || d.state === 'Failure'
  return {
    edit: cannot ?? (going ? t.deployments.blockedGoing : undefined),
    archive: cannot ?? (archived ? t.deployments.blockedArchived : going ? t.deployments.blockedGoing : undefined),
    restore: cannot ?? (archived ? undefined : t.deployments.blockedNotArchived),
    cleanup: cannot ?? (endable ? undefined : t.deployments.blockedCleanup),
    delete: cannot ?? (going ? t.deployments.blockedGoing : undefined),
    extend: cannot ?? (archived ? t.deployments.blockedArchived : undefined),
  }
}

/** deploymentActions is what can be done with a deployment, and why not where it cannot. */
export function deploymentActions(
  d: Deployment,
  role: string | undefined,
  navigate: NavigateFunction,
  ask: (a: Ask) => void,
): MenuAction[] {
  const not = whyNot(d, role)
  const archived = d.state === 'Archived'
  return [
    { label: t.details, onClick: () => void navigate(paths.deployment(d.id)) },
    { label: t.deployments.edit, blocked: not.edit, onClick: () => void navigate(paths.deploymentEdit(d.id)) },
    archived
      ? { label: t.deployments.restore, blocked: not.restore, onClick: () => tell(restore(d)) }
      : { label: t.deployments.archive, blocked: not.archive, onClick: () => ask({ what: 'archive', d }) },
    { label: t.deployments.ttl, blocked: not.extend, onClick: () => ask({ what: 'extend', d }) },
    { label: t.deployments.cleanup, blocked: not.cleanup, onClick: () => ask({ what: 'cleanup', d }) },
    { label: t.delete, danger: true, blocked: not.delete, onClick: () => ask({ what: 'delete', d }) },
  ]
}
