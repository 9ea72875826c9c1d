import { useState } from 'react'
import { Link, Outlet, useNavigate } from 'react-router'
import { client, ifMatch, isGone, type Schemas } from '@/api/client'
import { TabNav } from '@/frame/TabNav'
import { toast } from '@/frame/toasts'
import { part, paths } from '@/paths'
import { isAdmin, isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { Empty } from '@/ui/Empty'
import { Menu, type MenuAction } from '@/ui/Menu'
import { Page } from '@/ui/Page'
import { SetupLink } from './SetupLink'
import { loadUser, type User, UserState, useUserQuery } from './user'

export const loader = loadUser

const x = t.users

type Dialog = 'disable' | 'factor' | 'unlink' | 'delete'

/** UserPage is a user's head: what can be done with the user, and the ways to the parts. */
export function Component() {
  const { data: u, error } = useUserQuery()
  const navigate = useNavigate()
  const me = useMe()
  const [open, setOpen] = useState<Dialog>()
  const [link, setLink] = useState<Schemas['SetupLink']>()
  const here = paths.user(u.id)
  if (isGone(error))
    return (
      <Page title={u.name}>
        <Empty title={x.gone} actions={<Link to={paths.users}>{x.back}</Link>} />
      </Page>
    )
  const refused = (e: Error) => toast('danger', t.error.title, { body: e.message })
  const params = { path: { user: u.id }, header: ifMatch(u.version) }
  const operator = isOperator(me) ? undefined : t.onlyOperators
  const admin = isAdmin(me) ? undefined : x.onlyAdmins
  const other = u.id === me.user.id ? x.notYourself : undefined
  const newLink = () =>
    void client
      .POST('/api/v1/users/{user}/setup-link', { params: { path: params.path } })
      .then((a) => setLink(a.data), refused)
  const enable = () => void client.PATCH('/api/v1/users/{user}', { params, body: { disabled: false } }).catch(refused)
  const actions: MenuAction[] = [
    { label: x.edit, blocked: operator, onClick: () => navigate(part(here, 'edit')) },
    { label: x.setupLink, blocked: operator, onClick: newLink },
    u.disabled
      ? { label: x.enable, blocked: operator, onClick: enable }
      : { label: x.disable, blocked: operator ?? other, onClick: () => setOpen('disable') },
    ...(u.two_factor ? [{ label: x.resetFactor, blocked: admin, onClick: () => setOpen('factor') }] : []),
    ...(u.issuer ? [{ label: x.unlink, blocked: admin, onClick: () => setOpen('unlink') }] : []),
    { label: t.delete, danger: true, blocked: admin ?? other, onClick: () => setOpen('delete') },
  ]
  return (
    <Page
      title={u.name}
      label={<UserState user={u} />}
      lead={u.full_name && <bdi>{u.full_name}</bdi>}
      actions={<Menu name={t.actionsOf(u.name)} label={t.actions} actions={actions} />}
      tabs={
        <TabNav
          label={u.name}
          tabs={[
            { to: here, label: x.tabs.overview },
            { to: part(here, 'access'), label: x.tabs.access },
            { to: part(here, 'timeline'), label: x.tabs.timeline },
          ]}
        />
      }
    >
      <Outlet />
      {open && <Ask what={open} u={u} onClose={() => setOpen(undefined)} />}
      {link && <SetupLink name={u.name} link={link} onClose={() => setLink(undefined)} />}
    </Page>
  )
}

function Ask({ what, u, onClose }: { what: Dialog; u: User; onClose: () => void }) {
  const path = { user: u.id }
  const params = { path, header: ifMatch(u.version) }
  if (what === 'delete')
    return (
      <ConfirmDelete
        kind={x.one}
        name={u.name}
        onClose={onClose}
        onConfirm={() => client.DELETE('/api/v1/users/{user}', { params })}
      >
        {x.deleting}
      </ConfirmDelete>
    )
  const [verb, about, call] = {
    disable: [x.disable, x.disabling, () => client.PATCH('/api/v1/users/{user}', { params, body: { disabled: true } })],
    factor: [x.resetFactor, x.resettingFactor, () => client.DELETE('/api/v1/users/{user}/totp', { params: { path } })],
    unlink: [x.unlink, x.unlinking, () => client.DELETE('/api/v1/users/{user}/identity', { params: { path } })],
  }[what] as [string, string, () => Promise<unknown>]
  return (
    <Confirm title={`${verb}: ${u.name}`} verb={verb} danger onClose={onClose} onConfirm={call}>
      {about}
    </Confirm>
  )
}
