import { Button } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useRef } from 'react'
import { useFormContext } from 'react-hook-form'
import { useNavigate, useSearchParams } from 'react-router'
import { FormPage } from '@/form/FormPage'
import { TextAreaField, TextField } from '@/form/fields'
import { flag } from '@/form/request'
import { paths } from '@/paths'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { sourceQuery, upload } from './script'

const x = t.scripts

type Values = { name: string; text: string }

/** ScriptUploadPage keeps a new script, or a new revision of the one that the address names. */
export function Component() {
  const navigate = useNavigate()
  const name = useSearchParams()[0].get('name') ?? ''
  const source = useQuery({ ...sourceQuery(name), enabled: name !== '' })
  if (name && source.isPending) return <Page title={x.uploadRevision}>{t.loading}</Page>
  return (
    <Page title={name ? `${x.uploadRevision}: ${name}` : x.upload} lead={x.uploadAbout}>
      <FormPage<Values>
        defaults={{ name, text: source.data ?? '' }}
        submit={name ? x.uploadRevision : x.upload}
        wide
        onCancel={() => navigate(-1)}
        request={(v) => ({
          method: 'POST',
          path: '/scripts',
          query: { name: v.name },
          cli: ['script create', v.name || 'FILE', flag('name', v.name)],
        })}
        onSubmit={async (v, key) => {
          const script = await upload(v.name, v.text, key)
          navigate(paths.script(script.id))
        }}
      >
        {!name && <TextField<Values> name="name" label={x.name} help={x.nameHelp} required placeholder="disk-health" />}
        <FileButton />
        <TextAreaField<Values>
          name="text"
          label={x.text}
          help={x.textHelp}
          rows={20}
          code
          required
          placeholder={'#!/bin/sh\n# description: What it does\n'}
          rules={{ validate: (v) => String(v).startsWith('#!') || x.noShebang }}
        />
      </FormPage>
    </Page>
  )
}

function FileButton() {
  const { setValue, getValues } = useFormContext<Values>()
  const input = useRef<HTMLInputElement>(null)
  const read = async (file?: File) => {
    if (!file) return
    setValue('text', await file.text(), { shouldDirty: true, shouldValidate: true })
    // As the command line names it: the file's name without its ending.
    if (!getValues('name')) setValue('name', file.name.replace(/\.[^.]*$/, ''), { shouldDirty: true })
  }
  return (
    <div>
      <input ref={input} type="file" hidden aria-label={x.file} onChange={(e) => read(e.target.files?.[0])} />
      <Button variant="secondary" onClick={() => input.current?.click()}>
        {x.file}
      </Button>
    </div>
  )
}
