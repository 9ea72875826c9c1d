import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import { FormProvider, useForm } from 'react-hook-form'
import { client, ifMatch, type Schemas } from '@/api/client'
import { SelectField, TextField } from '@/form/fields'
import { useList } from '@/lists'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import type { Column } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { ListView } from '@/ui/ListView'
import { Menu } from '@/ui/Menu'
import { Time } from '@/ui/Time'

type Project = Schemas['Project']
type Membership = Schemas['Membership']
type Doing = { what: 'add' | 'change' | 'remove'; m?: Membership }

const roles = ['reader', 'writer', 'admin'].map((value) => ({
  value,
  label: t.projectMembers.roles[value] ?? value,
}))

const columns: Column<Membership>[] = [
  { label: t.projectMembers.user, cell: (m) => <bdi>{m.user || m.user_id}</bdi> },
  { label: t.projectMembers.role, cell: (m) => t.projectMembers.roles[m.role] ?? m.role },
  { label: t.projectMembers.since, wide: true, cell: (m) => <Time value={m.created_at} /> },
]

/** Members are those with a role on the project alone. */
export function Members({ p, manage }: { p: Project; manage: boolean }) {
  const list = useList('/api/v1/memberships', { always: [`project=${p.id}`], prefix: 'members.' })
  const [doing, setDoing] = useState<Doing>()
  const blocked = manage ? undefined : t.projects.onlyAdmins
  const add = (
    <Button isAriaDisabled={!manage} title={blocked} onClick={() => manage && setDoing({ what: 'add' })}>
      {t.projectMembers.add}
    </Button>
  )
  return (
    <>
      <Content component="p">{t.projectMembers.about}</Content>
      <ListView
        label={t.projects.members}
        list={list}
        columns={columns}
        rowKey={(m) => m.id}
        tools={add}
        empty={<Empty title={t.projectMembers.none} actions={add} />}
        actions={(m) => (
          <Menu
            name={t.actionsOf(m.user ?? m.user_id)}
            actions={[
              { label: t.projectMembers.change, blocked, onClick: () => setDoing({ what: 'change', m }) },
              { label: t.projectMembers.remove, blocked, danger: true, onClick: () => setDoing({ what: 'remove', m }) },
            ]}
          />
        )}
      />
      {doing && <Dialog p={p} doing={doing} onClose={() => setDoing(undefined)} />}
    </>
  )
}

function Dialog({ p, doing: { what, m }, onClose }: { p: Project; doing: Doing; onClose: () => void }) {
  const form = useForm({ defaultValues: { user: '', kind: 'user', role: m?.role ?? 'writer' } })
  if (what === 'remove' && m)
    return (
      <Confirm
        title={t.projectMembers.removeTitle(m.user ?? m.user_id)}
        verb={t.projectMembers.remove}
        danger
        onConfirm={() => client.DELETE('/api/v1/memberships/{membership}', { params: { path: { membership: m.id } } })}
        onClose={onClose}
      />
    )
  const save = async () => {
    const { user, kind, role } = form.getValues()
    if (m) {
      const params = { path: { membership: m.id }, header: ifMatch(m.version) }
      return client.PATCH('/api/v1/memberships/{membership}', { params, body: { role } })
    }
    const who = kind === 'user' ? { user } : { service_account: user, account: p.account_id }
    return client.POST('/api/v1/memberships', { body: { ...who, role, project: p.id } })
  }
  return (
    <Confirm
      title={m ? `${t.projectMembers.change}: ${m.user ?? m.user_id}` : t.projectMembers.add}
      verb={t.save}
      valid={() => form.trigger()}
      onConfirm={save}
      onClose={onClose}
    >
      <FormProvider {...form}>
        {!m && (
          <>
            <SelectField
              name="kind"
              label={t.projectMembers.kind}
              options={[
                { value: 'user', label: t.projectMembers.kindUser },
                { value: 'service-account', label: t.projectMembers.kindService },
              ]}
            />
            <TextField name="user" label={t.projectMembers.user} help={t.projectMembers.userHelp} required />
          </>
        )}
        <SelectField name="role" label={t.projectMembers.role} options={roles} />
      </FormProvider>
    </Confirm>
  )
}
