import {
  Alert,
  Button,
  Card,
  CardBody,
  CardTitle,
  FileUpload,
  Flex,
  FormFieldGroup,
  FormFieldGroupHeader,
} from '@patternfly/react-core'
import { useSuspenseQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useFieldArray, useFormContext } from 'react-hook-form'
import { ApiError, api, client, csrfHeader, ifMatch, readProblem, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { SelectField, TextAreaField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { toast } from '@/frame/toasts'
import { useMe } from '@/session'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'
import { Page } from '@/ui/Page'
import { contrast } from './contrast'

const x = t.settings
const query = api.queryOptions('get', '/api/v1/settings')

export const loader = () => queries.ensureQueryData(query)

type Values = Pick<Schemas['Settings'], 'display_name' | 'accent' | 'notice' | 'second_factor'> & {
  links: { label: string; url: string }[]
}

/** SettingsPage sets what holds for the whole installation: its look, links, and who needs a second factor. */
export function Component() {
  const settings = useSuspenseQuery(query).data
  const admin = useMe().user.role === 'admin'
  const read = () => queries.invalidateQueries({ predicate: (q) => /settings|branding/.test(String(q.queryKey[1])) })
  const defaults: Values = {
    display_name: settings.display_name ?? '',
    accent: settings.accent ?? '',
    notice: settings.notice ?? '',
    second_factor: settings.second_factor,
    links: settings.links ?? [],
  }
  return (
    <Page title={x.title}>
      {!admin && <Alert isInline variant="info" title={t.error.hint.denied} />}
      <FormPage<Values>
        key={settings.version}
        defaults={defaults}
        submit={t.save}
        onCancel={() => history.back()}
        request={(v) => ({
          method: 'PUT',
          path: '/settings',
          body: v,
          cli: [
            'settings update',
            flag('display-name', v.display_name),
            flag('accent', v.accent),
            flag('notice', v.notice),
            flag('second-factor', v.second_factor),
            ...v.links.map((l) => flag('link', `${l.label}=${l.url}`)),
          ],
        })}
        onSubmit={async (body) => {
          await client.PUT('/api/v1/settings', { params: { header: ifMatch(settings.version) }, body })
          toast('success', x.saved)
          await read()
        }}
      >
        <TextField<Values> name="display_name" label={x.name} />
        <Accent />
        <TextAreaField<Values> name="notice" label={x.notice} rows={2} />
        <Links />
        <SelectField<Values>
          name="second_factor"
          label={x.secondFactor}
          options={Object.entries(x.secondFactorOf).map(([value, label]) => ({ value, label }))}
        />
      </FormPage>
      <Logo url={settings.logo_url} onChange={read} />
    </Page>
  )
}

function Accent() {
  const accent = useFormContext<Values>().watch('accent')
  const ratio = accent ? contrast(accent, '#ffffff') : undefined
  return (
    <TextField<Values>
      name="accent"
      label={x.accent}
      placeholder="#0d7d8c"
      help={ratio ? x.contrast(ratio.toFixed(1)) : x.accentHelp}
    />
  )
}

function Links() {
  const { fields, append, remove } = useFieldArray<Values>({ name: 'links' })
  return (
    <FormFieldGroup header={<FormFieldGroupHeader titleText={{ text: x.links, id: 'links' }} />}>
      {fields.map((f, i) => (
        <Flex key={f.id} alignItems={{ default: 'alignItemsFlexEnd' }}>
          <TextField<Values> name={`links.${i}.label`} label={x.linkLabel} required />
          <TextField<Values> name={`links.${i}.url`} label={x.linkURL} type="url" required />
          <Button variant="link" isDanger onClick={() => remove(i)}>
            {x.removeLink}
          </Button>
        </Flex>
      ))}
      <div>
        <Button variant="secondary" onClick={() => append({ label: '', url: '' })}>
          {x.addLink}
        </Button>
      </div>
    </FormFieldGroup>
  )
}

function Logo({ url, onChange }: { url?: string; onChange: () => void }) {
  const [error, setError] = useState<Error>()
  const [busy, setBusy] = useState(false)
  const act = async (call: () => Promise<unknown>) => {
    setBusy(true)
    setError(undefined)
    await call().then(onChange, setError)
    setBusy(false)
  }
  // The body is the file itself, which the typed client does not send.
  const upload = async (file: File) => {
    const headers = { ...csrfHeader(), 'Content-Type': file.type }
    const answer = await fetch('/api/v1/settings/logo', { method: 'PUT', body: file, headers })
    if (!answer.ok) throw new ApiError(await readProblem(answer))
  }
  return (
    <Card isCompact className="atoll-form">
      <CardTitle component="h2">{x.logo}</CardTitle>
      <CardBody>
        <p>{x.logoAbout}</p>
        {error && <ErrorView error={error} />}
        {url && <img src={url} alt={x.logo} className="atoll-logo" />}
        <FileUpload
          id="logo"
          browseButtonText={x.upload}
          filename=""
          hideDefaultPreview
          isClearButtonDisabled
          isLoading={busy}
          dropzoneProps={{ accept: { 'image/svg+xml': ['.svg'], 'image/png': ['.png'] }, maxSize: 256 * 1024 }}
          onFileInputChange={(_, file) => void act(() => upload(file))}
        />
        {url && (
          <Button variant="link" isDanger onClick={() => void act(() => client.DELETE('/api/v1/settings/logo'))}>
            {x.removeLogo}
          </Button>
        )}
      </CardBody>
    </Card>
  )
}
