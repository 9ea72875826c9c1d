import { Button, Checkbox, ExpandableSection, FormGroup, FormSection } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useFormContext } from 'react-hook-form'
import { useNavigate, useSearchParams } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { ChoiceField } from '@/form/ChoiceField'
import { FormPage } from '@/form/FormPage'
import { CheckField, NumberField, SelectField, TextAreaField, TextField } from '@/form/fields'
import { PlanButton } from '@/form/PlanView'
import { flag } from '@/form/request'
import { bytes } from '@/format'
import { WithAccount } from '@/frame/WithAccount'
import { listQuery } from '@/lists'
import { CloudspaceCreate } from '@/pages/cloudspaces/CloudspaceCreate'
import { paths } from '@/paths'
import { useChosen } from '@/session'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { Page } from '@/ui/Page'
import { SizeField } from './SizeField'

const x = t.machines
const c = t.machineCreate

export type Values = {
  cloudspace: string
  name: string
  description: string
  image: string
  size: string
  disk_gib?: number
  ssh_keys: string[]
  pasted: string
  saveKey: boolean
  keyName: string
  user_data: string
  run_strategy: 'always' | 'rerun-on-failure' | 'manual'
}

/** MachineCreatePage makes a machine and goes to it. */
export const Component = () => (
  <Page title={x.create} lead={x.about}>
    <WithAccount>{(a) => <Create key={a.id} account={a} />}</WithAccount>
  </Page>
)

function Create({ account }: { account: Schemas['Account'] }) {
  const navigate = useNavigate()
  const [params] = useSearchParams()
  const chosen = useChosen()
  const inside = [`account=${account.id}`]
  const cloudspaces = useQuery(listQuery('/api/v1/cloudspaces', { limit: 500, sort: 'name', filter: inside })).data
    ?.items
  const images = useQuery(listQuery('/api/v1/images', { limit: 500, sort: 'name', filter: ['state=ready'] })).data
    ?.items
  const keys = useQuery(listQuery('/api/v1/ssh-keys', { limit: 500, sort: 'name', filter: inside })).data?.items
  const [creating, setCreating] = useState(false)
  if (!cloudspaces || !images || !keys) return <p>{t.loading}</p>
  const first = [params.get('cloudspace'), chosen.cloudspace].find((id) => cloudspaces.some((s) => s.id === id))
  const newCloudspace = <Button onClick={() => setCreating(true)}>{c.newCloudspace}</Button>
  const dialog = creating && <CloudspaceCreate account={account} onClose={() => setCreating(false)} />
  if (cloudspaces.length === 0)
    return (
      <>
        <Empty title={c.newCloudspace} actions={newCloudspace}>
          {c.needCloudspace}
        </Empty>
        {dialog}
      </>
    )

  const post = (v: Values, key?: string) =>
    client.POST('/api/v1/machines', {
      params: { query: { dry_run: key === undefined }, header: { 'Idempotency-Key': key } },
      body: body(v),
    })
  const submit = async (v: Values, key: string) => {
    if (v.pasted.trim() && v.saveKey) {
      const same = keys.some((k) => k.name === v.keyName)
      // Sending again after a refused machine must not save the key twice.
      if (!same)
        await client.POST('/api/v1/ssh-keys', {
          body: { account: account.id, name: v.keyName, public_key: v.pasted.trim() },
        })
    }
    const { data } = await post(v, key)
    navigate(paths.machine(data?.subject_id ?? ''))
  }
  return (
    <>
      <FormPage<Values>
        defaults={{
          cloudspace: first ?? (cloudspaces.length === 1 ? cloudspaces[0]?.id : ''),
          name: '',
          description: '',
          image: params.get('image') ?? '',
          size: '',
          ssh_keys: keys.length === 1 ? keys.map((k) => k.name) : [],
          pasted: '',
          saveKey: false,
          keyName: '',
          user_data: '',
          run_strategy: 'rerun-on-failure',
        }}
        submit={x.create}
        onCancel={() => navigate(paths.machines)}
        onSubmit={submit}
        secrets={['user_data']}
        request={(v) => ({
          method: 'POST',
          path: '/machines',
          body: body(v),
          cli: [
            'machine create',
            v.name || 'NAME',
            flag('account', account.name),
            flag('cloudspace', cloudspaces.find((s) => s.id === v.cloudspace)?.name),
            flag('image', images.find((i) => i.id === v.image)?.name),
            flag('size', v.size),
            flag('disk', v.disk_gib),
            ...v.ssh_keys.map((k) => flag('ssh-key', k)),
            v.pasted.trim() !== '' && '--ssh-key KEY.pub',
            v.user_data !== '' && '--user-data FILE',
            flag('description', v.description),
            v.run_strategy !== 'rerun-on-failure' && flag('run-strategy', v.run_strategy),
          ],
        })}
        extra={(values, valid) => (
          <PlanButton valid={valid} ask={async () => (await post(values())).data as unknown as Schemas['Plan']} />
        )}
      >
        <FormSection title={c.where} titleElement="h2">
          <SelectField<Values>
            name="cloudspace"
            label={x.cloudspace}
            required
            placeholder=""
            options={cloudspaces.map((s) => ({ value: s.id, label: `${s.name} (${s.network})` }))}
            help={
              <Button variant="link" isInline onClick={() => setCreating(true)}>
                {c.newCloudspace}
              </Button>
            }
          />
          <TextField<Values> name="name" label={x.name} help={x.nameHelp} required placeholder="web-1" />
          <TextField<Values> name="description" label={x.description} />
        </FormSection>
        <FormSection title={c.image} titleElement="h2">
          <ChoiceField<Values>
            name="image"
            label={x.image}
            required
            empty={
              <Empty
                title={c.noImages}
                actions={<Button onClick={() => navigate(paths.imageCreate)}>{c.bringImage}</Button>}
              />
            }
            choices={images
              .filter((i) => !i.account_id || i.account_id === account.id)
              .map((i) => ({
                value: i.id,
                title: i.name,
                body: [i.description, bytes(i.size)].filter(Boolean).join('\n'),
              }))}
          />
        </FormSection>
        <FormSection title={c.size} titleElement="h2">
          <SizeField account={account.id} images={images} />
          <NumberField<Values> name="disk_gib" label={c.disk} help={c.diskHelp} min={1} max={65536} />
        </FormSection>
        <FormSection title={c.access} titleElement="h2">
          <KeysField keys={keys} />
        </FormSection>
        <More />
      </FormPage>
      {dialog}
    </>
  )
}

/** body is the call's body: a pasted key goes in by its line, or by the name that it was saved under. */
const body = (v: Values): Schemas['MachineCreate'] => {
  const pasted = v.pasted.trim()
  const keys = [...v.ssh_keys, ...(pasted ? [v.saveKey ? v.keyName : pasted] : [])]
  return {
    cloudspace: v.cloudspace,
    name: v.name,
    image: v.image,
    size: v.size,
    ...(v.description && { description: v.description }),
    ...(v.disk_gib && { disk_gib: v.disk_gib }),
    ...(keys.length > 0 && { ssh_keys: keys }),
    ...(v.user_data && { user_data: v.user_data }),
    ...(v.run_strategy !== 'rerun-on-failure' && { run_strategy: v.run_strategy }),
  }
}

function KeysField({ keys }: { keys: Schemas['SSHKey'][] }) {
  const { watch, setValue } = useFormContext<Values>()
  const chosen = watch('ssh_keys')
  const pasted = watch('pasted')
  const saves = watch('saveKey')
  return (
    <>
      <FormGroup label={c.keys} role="group" fieldId="keys">
        {keys.length === 0 && <span className="atoll-small">{c.noKeys}</span>}
        {keys.map((k) => (
          <Checkbox
            key={k.id}
            id={`key-${k.id}`}
            label={<bdi>{k.name}</bdi>}
            description={k.fingerprint}
            isChecked={chosen.includes(k.name)}
            onChange={(_, on) =>
              setValue('ssh_keys', on ? [...chosen, k.name] : chosen.filter((n) => n !== k.name), { shouldDirty: true })
            }
          />
        ))}
      </FormGroup>
      <TextAreaField<Values> name="pasted" label={c.pasted} help={c.pastedHelp} rows={2} code />
      {pasted.trim() && (
        <>
          <CheckField<Values> name="saveKey" label={c.saveKey} />
          {saves && <TextField<Values> name="keyName" label={c.keyName} required />}
        </>
      )}
    </>
  )
}

function More() {
  const [open, setOpen] = useState(false)
  return (
    <ExpandableSection toggleText={c.more} isExpanded={open} onToggle={(_, o) => setOpen(o)} isIndented>
      <TextAreaField<Values> name="user_data" label={c.userData} help={c.userDataHelp} rows={8} code />
      <SelectField<Values>
        name="run_strategy"
        label={x.strategy}
        options={Object.entries(x.strategies).map(([value, label]) => ({ value, label }))}
      />
    </ExpandableSection>
  )
}
