import { Alert, CodeBlock, CodeBlockCode } from '@patternfly/react-core'
import type { ReactNode } from 'react'
import { Controller, useFormContext } from 'react-hook-form'
import { ApiError, type Schemas } from '@/api/client'
import { DurationField } from '@/form/DurationField'
import { TextAreaField, TextField } from '@/form/fields'
import { labelsOf } from '@/form/labels'
import { flag } from '@/form/request'
import { useRested } from '@/lists'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'
import { ConfigEditor } from './ConfigEditor'
import { type Override, type Own, overridesOf, problemsOf } from './config'
import { useDefaults } from './queries'

type Project = Schemas['Project']

/** Values is what the forms of a deployment hold. */
export type Values = {
  name: string
  application: Own[]
  deployment: Own[]
  labels: string
  comment: string
  ttl: string
  owner: string
}

/** configFlags is a configuration in words of the command line. Secrets are read from standard input. */
export const configFlags = (list: Override[], suffix: '' | '-deployment') =>
  list.map((o) => {
    if (o.deleted) return flag(`delete${suffix}`, o.key)
    return o.secret ? flag(`set-secret${suffix}`, `${o.key}=-`) : flag(`set${suffix}`, `${o.key}=${o.value ?? ''}`)
  })

/** masked is a body for people to read: without what is secret. */
export const masked = (list: Override[]) => list.map((o) => (o.secret && o.value ? { ...o, value: '***' } : o))

/** ConfigFields are both configurations, over the defaults that the project's scripts say. */
export function ConfigFields({ project }: { project: Project }) {
  const { control, watch } = useFormContext<Values>()
  const typed = watch('deployment')
  const problems = problemsOf(typed)
  const asked = JSON.stringify(overridesOf(typed.filter((o) => !problems.has(o.id))))
  const ask = useRested(asked, 500)
  const defaults = useDefaults(project.id, ask)
  const waiting = defaults.isPending || defaults.isPlaceholderData || ask !== asked
  return (
    <>
      {defaults.error && (
        <ErrorView title={t.config.defaultsFailed} error={defaults.error} retry={() => void defaults.refetch()} />
      )}
      <Controller
        name="deployment"
        control={control}
        rules={{ validate }}
        render={({ field }) => (
          <ConfigEditor
            title={t.config.deployment}
            help={t.config.deploymentHelp}
            defaults={defaults.data?.deployment ?? []}
            keys={defaults.data?.deployment_keys ?? []}
            waiting={defaults.isPending}
            value={field.value}
            onChange={field.onChange}
          />
        )}
      />
      <Controller
        name="application"
        control={control}
        rules={{ validate }}
        render={({ field }) => (
          <ConfigEditor
            title={t.config.application}
            help={t.config.applicationHelp}
            defaults={defaults.data?.application ?? []}
            keys={defaults.data?.application_keys ?? []}
            waiting={waiting}
            value={field.value}
            onChange={field.onChange}
          />
        )}
      />
      <ConfigProblems />
    </>
  )
}

const validate = (v: Own[]) => problemsOf(v).size === 0 || t.config.problems

// Why the form is not sent, near its buttons.
function ConfigProblems() {
  const { errors } = useFormContext<Values>().formState
  const first = errors.deployment?.message ?? errors.application?.message
  return first ? <Alert variant="danger" isInline isPlain title={String(first)} /> : null
}

/** MoreFields are what no script needs to know. */
export function MoreFields({ owner, unset }: { owner: boolean; unset?: string }) {
  return (
    <>
      <TextAreaField<Values> name="comment" label={t.deployments.comment} help={t.deployments.commentHelp} rows={2} />
      <DurationField<Values>
        name="ttl"
        label={t.deployments.ttl}
        help={t.deployments.ttlHelp}
        zero={t.deployments.ttlForever}
        unset={unset}
      />
      {owner && <TextField<Values> name="owner" label={t.deployments.owner} help={t.deployments.ownerHelp} />}
      <TextAreaField<Values>
        name="labels"
        label={t.deployments.labels}
        help={t.deployments.labelsHelp}
        rows={2}
        code
        rules={{ validate: (v) => labelsOf(v as string) !== undefined || t.deployments.labelsBad }}
      />
    </>
  )
}

/**
 * refusal is how an error of these forms is shown: what the project's config_check
 * says, which names no field, as it says it. Other errors have the usual look.
 */
export function refusal(e: Error): ReactNode | undefined {
  if (!(e instanceof ApiError) || e.problem.code !== 'invalid' || e.problem.field) return undefined
  return (
    <Alert variant="danger" isInline title={t.deployments.refused} role="alert">
      <CodeBlock>
        <CodeBlockCode>{e.message}</CodeBlockCode>
      </CodeBlock>
    </Alert>
  )
}
