import { Checkbox, Content, FileUpload, FormGroup } from '@patternfly/react-core'
import { useState } from 'react'
import { FormProvider, useForm } from 'react-hook-form'
import { ApiError, client, csrfHeader, readProblem, type Schemas, Unreachable } from '@/api/client'
import { SelectField, TextField } from '@/form/fields'
import { newKey } from '@/form/useSubmit'
import { t } from '@/text'
import { Confirm } from '@/ui/Confirm'

export type Way = 'archive' | 'oci' | 'builtin:process'

// The archive is the request's body as it is; the client would make JSON of it.
async function upload(p: Schemas['Project'], file: File, kind: string, use: boolean) {
  const query = new URLSearchParams({ project: p.id, kind, source: file.name, use: String(use) })
  const answer = await fetch(`/api/v1/bundles:upload?${query}`, {
    method: 'POST',
    body: file,
    headers: { ...csrfHeader(), 'Content-Type': 'application/octet-stream' },
  }).catch(() => {
    throw new Unreachable()
  })
  if (!answer.ok) throw new ApiError(await readProblem(answer))
}

/** AddBundle adds a version of a project's control scripts in one of the ways that there are. */
export function AddBundle({ p, way, onClose }: { p: Schemas['Project']; way: Way; onClose: () => void }) {
  const form = useForm({ defaultValues: { source: '', kind: 'archive' } })
  const [file, setFile] = useState<File>()
  const [use, setUse] = useState(true)
  const kind = form.watch('kind')
  const create = (source?: string) =>
    client.POST('/api/v1/bundles', {
      params: { header: { 'Idempotency-Key': newKey() } },
      body: { project: p.id, kind: way === 'oci' ? 'oci' : 'builtin:process', source, use },
    })
  const go = async () => {
    if (way === 'archive') {
      if (!file) throw new Error(t.bundles.chooseFile)
      return upload(p, file, kind, use && kind === 'archive')
    }
    return create(way === 'oci' ? form.getValues('source') : undefined)
  }
  const title = { archive: t.bundles.upload, oci: t.bundles.takeImage, 'builtin:process': t.bundles.useProcess }[way]
  return (
    <Confirm title={title} verb={title} valid={() => form.trigger()} onConfirm={go} onClose={onClose}>
      <FormProvider {...form}>
        {way === 'archive' && (
          <>
            <SelectField
              name="kind"
              label={t.bundles.what}
              options={[
                { value: 'archive', label: t.bundles.scriptsIn },
                { value: 'files', label: t.bundles.filesIn },
              ]}
            />
            <FormGroup label={t.bundles.file} fieldId="bundle-file">
              <FileUpload
                id="bundle-file"
                hideDefaultPreview
                value={file}
                filename={file?.name}
                filenamePlaceholder={t.bundles.chooseFile}
                browseButtonText={t.bundles.upload}
                onFileInputChange={(_, f) => setFile(f)}
                onClearClick={() => setFile(undefined)}
              />
            </FormGroup>
          </>
        )}
        {way === 'oci' && (
          <TextField
            name="source"
            label={t.bundles.source}
            placeholder="registry.example.com/scripts:1"
            required
            autoFocus
          />
        )}
        {way === 'builtin:process' && <Content component="p">{t.bundles.processAbout}</Content>}
        {!(way === 'archive' && kind === 'files') && (
          <Checkbox id="bundle-use" label={t.bundles.use} isChecked={use} onChange={(_, on) => setUse(on)} />
        )}
      </FormProvider>
    </Confirm>
  )
}
