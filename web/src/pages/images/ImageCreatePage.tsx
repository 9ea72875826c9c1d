import {
  Button,
  FileUpload,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Progress,
} from '@patternfly/react-core'
import { useState } from 'react'
import { useFormContext } from 'react-hook-form'
import { useNavigate } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { FormPage } from '@/form/FormPage'
import { SelectField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { bytes } from '@/format'
import { useAccount } from '@/frame/WithAccount'
import { paths } from '@/paths'
import { isOperator, useMe } from '@/session'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { upload } from './upload'

const x = t.images

type Values = {
  account: string
  how: 'url' | 'file'
  name: string
  description: string
  user: string
  url: string
  sha256: string
}

/** ImageCreatePage makes an image: fetched from a URL, or of a file that is sent. */
export function Component() {
  const { account, accounts, loading } = useAccount()
  if (loading) return <Page title={x.create}>{t.loading}</Page>
  return (
    <Page title={x.create} lead={x.about}>
      <Create account={account} accounts={accounts} />
    </Page>
  )
}

type Sending = { sent: number; abort: AbortController }

function Create({ account, accounts }: { account?: Schemas['Account']; accounts: Schemas['Account'][] }) {
  const navigate = useNavigate()
  const operator = isOperator(useMe())
  const [file, setFile] = useState<File>()
  const [sending, setSending] = useState<Sending>()
  const about = (v: Values) => ({
    ...(v.account && { account: v.account }),
    name: v.name,
    ...(v.description && { description: v.description }),
    ...(v.user && { user: v.user }),
    ...(v.sha256 && { sha256: v.sha256.trim().toLowerCase() }),
  })
  const submit = async (v: Values, key: string) => {
    if (v.how === 'url') {
      const body = { ...about(v), url: v.url, sha256: v.sha256.trim().toLowerCase() }
      const { data } = await client.POST('/api/v1/images', { params: { header: { 'Idempotency-Key': key } }, body })
      navigate(paths.image(data?.subject_id ?? ''))
      return
    }
    if (!file) throw new Error(x.noFile)
    const abort = new AbortController()
    setSending({ sent: 0, abort })
    try {
      const image = await upload(about(v), file, (sent) => setSending({ sent, abort }), abort.signal)
      navigate(paths.image(image.id))
    } finally {
      setSending(undefined)
    }
  }
  return (
    <FormPage<Values>
      defaults={{
        account: account?.id ?? (operator ? '' : accounts[0]?.id),
        how: 'url',
        name: '',
        description: '',
        user: '',
        url: '',
        sha256: '',
      }}
      submit={x.create}
      onCancel={() => (sending ? sending.abort.abort() : navigate(paths.images))}
      onSubmit={submit}
      request={(v) => ({
        method: 'POST',
        path: v.how === 'url' ? '/images' : '/images:upload',
        ...(v.how === 'url' ? { body: { ...about(v), url: v.url } } : { query: about(v) }),
        cli: [
          'image create',
          v.name || 'NAME',
          flag('account', accounts.find((a) => a.id === v.account)?.name),
          v.how === 'url' ? flag('url', v.url) : flag('file', file?.name ?? 'FILE'),
          flag('sha256', v.sha256),
          flag('description', v.description),
          flag('user', v.user),
        ],
      })}
    >
      {(operator || accounts.length > 1) && (
        <SelectField<Values>
          name="account"
          label={x.forWhom}
          options={[
            ...(operator ? [{ value: '', label: x.everybody }] : []),
            ...accounts.map((a) => ({ value: a.id, label: `${t.scope.account} ${a.name}` })),
          ]}
        />
      )}
      <TextField<Values> name="name" label={x.name} required placeholder="debian-12" />
      <TextField<Values> name="description" label={x.description} />
      <TextField<Values> name="user" label={x.user} help={x.userHelp} />
      <SelectField<Values>
        name="how"
        label={x.how}
        options={[
          { value: 'url', label: x.byURL },
          { value: 'file', label: x.byFile },
        ]}
      />
      <Source file={file} onFile={setFile} />
      {file && sending && (
        <Progress
          value={file.size ? (100 * sending.sent) / file.size : 0}
          title={x.sending}
          aria-label={x.sending}
          helperText={
            <>
              {x.sent(bytes(sending.sent), bytes(file.size))}{' '}
              <Button variant="link" isInline onClick={() => sending.abort.abort()}>
                {x.abort}
              </Button>
            </>
          }
        />
      )}
    </FormPage>
  )
}

function Source({ file, onFile }: { file?: File; onFile: (f?: File) => void }) {
  const byURL = useFormContext<Values>().watch('how') === 'url'
  if (byURL)
    return (
      <>
        <TextField<Values> name="url" label={x.url} help={x.urlHelp} type="url" required />
        <TextField<Values> name="sha256" label={x.checksum} help={x.checksumHelp} required />
      </>
    )
  return (
    <>
      <FormGroup label={x.pick} fieldId="image-file" isRequired>
        <FileUpload
          id="image-file"
          filename={file?.name ?? ''}
          filenamePlaceholder={x.browse}
          browseButtonText={x.browse}
          browseButtonAriaDescribedby="image-file-filename"
          onFileInputChange={(_, f) => onFile(f)}
          onClearClick={() => onFile(undefined)}
          hideDefaultPreview
        />
        {file && (
          <FormHelperText>
            <HelperText>
              <HelperTextItem>{bytes(file.size)}</HelperTextItem>
            </HelperText>
          </FormHelperText>
        )}
      </FormGroup>
      <TextField<Values> name="sha256" label={x.checksum} help={x.checksumOptional} />
    </>
  )
}
