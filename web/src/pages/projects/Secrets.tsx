import { Button, Content } from '@patternfly/react-core'
import { useState } from 'react'
import { FormProvider, useForm } from 'react-hook-form'
import { client, ifMatch, type Schemas } from '@/api/client'
import { TextField } from '@/form/fields'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import { type Column, DataTable } from '@/ui/DataTable'
import { Empty } from '@/ui/Empty'
import { Menu } from '@/ui/Menu'

type Project = Schemas['Project']
type Doing = { what: 'set' | 'remove'; name: string }

const columns: Column<string>[] = [{ label: t.projectSecrets.name, cell: (name) => <code>{name}</code> }]

/** Secrets are the names of what the project's scripts find in their environment. */
export function Secrets({ p, manage }: { p: Project; manage: boolean }) {
  const [doing, setDoing] = useState<Doing>()
  const blocked = manage ? undefined : t.projects.onlyAdmins
  const add = (
    <Button isAriaDisabled={!manage} title={blocked} onClick={() => manage && setDoing({ what: 'set', name: '' })}>
      {t.projectSecrets.add}
    </Button>
  )
  const names = p.secrets ?? []
  return (
    <>
      <Content component="p">{t.projectSecrets.about}</Content>
      {names.length === 0 ? (
        <Empty title={t.projectSecrets.none} actions={add} />
      ) : (
        <>
          {add}
          <DataTable
            label={t.projects.secrets}
            columns={columns}
            rows={names}
            rowKey={(name) => name}
            actions={(name) => (
              <Menu
                name={t.actionsOf(name)}
                actions={[
                  { label: t.projectSecrets.replace, blocked, onClick: () => setDoing({ what: 'set', name }) },
                  {
                    label: t.projectSecrets.remove,
                    blocked,
                    danger: true,
                    onClick: () => setDoing({ what: 'remove', name }),
                  },
                ]}
              />
            )}
          />
        </>
      )}
      {doing && <Dialog p={p} doing={doing} onClose={() => setDoing(undefined)} />}
    </>
  )
}

function Dialog({ p, doing: { what, name }, onClose }: { p: Project; doing: Doing; onClose: () => void }) {
  const form = useForm({ defaultValues: { name, value: '' } })
  const save = (secrets: Record<string, string>) =>
    client.PATCH('/api/v1/projects/{project}', {
      params: { path: { project: p.id }, header: ifMatch(p.version) },
      body: { secrets },
    })
  if (what === 'remove')
    return (
      <Confirm
        title={t.projectSecrets.removeTitle(name)}
        verb={t.projectSecrets.remove}
        danger
        onConfirm={() => save({ [name]: '' })}
        onClose={onClose}
      >
        {t.projectSecrets.removeBody}
      </Confirm>
    )
  const go = form.handleSubmit((v) => save({ [v.name]: v.value }))
  return (
    <Confirm
      title={name ? t.projectSecrets.replaceTitle(name) : t.projectSecrets.add}
      verb={t.save}
      valid={() => form.trigger()}
      onConfirm={() => go()}
      onClose={onClose}
    >
      <FormProvider {...form}>
        {!name && (
          <TextField name="name" label={t.projectSecrets.name} help={t.projectSecrets.nameHelp} required autoFocus />
        )}
        <TextField name="value" label={t.projectSecrets.value} type="password" autoComplete="new-password" required />
      </FormProvider>
    </Confirm>
  )
}
