import { Checkbox, Content } from '@patternfly/react-core'
import { useState } from 'react'
import { FormProvider, useForm } from 'react-hook-form'
import { client, ifMatch } from '@/api/client'
import { DurationField } from '@/form/DurationField'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'
import { ConfirmDelete } from '@/ui/ConfirmDelete'
import { type Ask, archive, cleanup, forget } from './actions'

/** Dialogs asks before a deployment is archived, cleaned up or deleted, and for its time to live. */
export function Dialogs({ ask: { what, d }, onClose }: { ask: Ask; onClose: () => void }) {
  const [force, setForce] = useState(false)
  if (what === 'extend') return <Extend d={d} onClose={onClose} />
  if (what === 'archive')
    return (
      <Confirm
        title={t.deployments.archiveTitle(d.name)}
        verb={t.deployments.archive}
        onConfirm={() => archive(d)}
        onClose={onClose}
      >
        {t.deployments.archiveBody}
      </Confirm>
    )
  return (
    <ConfirmDelete
      kind={t.deployments.one}
      name={d.name}
      title={what === 'cleanup' ? `${t.deployments.cleanup}: ${d.name}` : undefined}
      verb={what === 'cleanup' ? t.deployments.cleanup : undefined}
      onConfirm={() => (what === 'cleanup' ? cleanup(d) : forget(d, force))}
      onClose={onClose}
      more={
        what === 'delete' && (
          <Checkbox id="forget" label={t.deployments.forget} isChecked={force} onChange={(_, on) => setForce(on)} />
        )
      }
    >
      {t.deployments.deleting}
    </ConfirmDelete>
  )
}

function Extend({ d, onClose }: { d: Ask['d']; onClose: () => void }) {
  const form = useForm({ defaultValues: { ttl: d.ttl ?? '72h' } })
  const save = () =>
    client.PATCH('/api/v1/deployments/{deployment}', {
      params: { path: { deployment: d.id }, header: ifMatch(d.version) },
      body: { ttl: form.getValues('ttl') },
    })
  return (
    <Confirm title={t.deployments.extendTitle(d.name)} verb={t.save} onConfirm={save} onClose={onClose}>
      <Content component="p">{t.deployments.extendHelp}</Content>
      <FormProvider {...form}>
        <DurationField name="ttl" label={t.deployments.ttl} zero={t.duration.forever} />
      </FormProvider>
    </Confirm>
  )
}
