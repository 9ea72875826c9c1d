import { ActionGroup, Button, Form } from '@patternfly/react-core'
import { type ReactNode, useEffect, useState } from 'react'
import { type DefaultValues, type FieldValues, FormProvider, type Path } from 'react-hook-form'
import { useBlocker, useLocation } from 'react-router'
import { t } from '@/text'
import type { Edit } from './Conflict'
import { dropDraft, readDraft, watchDraft } from './draft'
import { Equivalent } from './Equivalent'
import type { Request } from './request'
import { useSubmit } from './useSubmit'

type Props<V extends FieldValues> = {
  defaults: DefaultValues<V>
  /** the call that the form makes, from what is typed */
  request: (values: V) => Request
  /** makes the call; version is the one that the values were made from, for If-Match (0 in a form without edit) */
  onSubmit: (values: V, key: string, version: number) => Promise<unknown>
  onCancel: () => void
  submit: string
  /** as wide as the page, for what needs the room */
  wide?: boolean
  /** of the object that the form changes: what is needed when somebody else changes it too */
  edit?: Edit<V>
  /** fields that are never kept in a draft */
  secrets?: Path<V>[]
  /** how an error is shown that ErrorView does not do justice; undefined for the others */
  showError?: (e: Error) => ReactNode | undefined
  /** more buttons: a plan before the change */
  extra?: (values: () => V, valid: () => Promise<boolean>) => ReactNode
  children: ReactNode
}

/**
 * FormPage is a form that loses nothing: what was typed stays when a call fails or
 * the controller is away, is kept when the session ends, and leaving asks first.
 * A field that the API names gets its error; sending again after a lost answer
 * does not do the thing twice; and when somebody else changed the object meanwhile,
 * both versions are shown and either may be kept.
 */
export function FormPage<V extends FieldValues>(p: Props<V>) {
  const path = useLocation().pathname
  const [draft] = useState(() => readDraft<V>(path))
  const { form, submit, alerts, done } = useSubmit<V>(p)
  const secrets = p.secrets

  useEffect(() => {
    if (draft) form.reset({ ...form.getValues(), ...draft }, { keepDefaultValues: true })
    dropDraft(path)
    return watchDraft(path, () => {
      const values: Record<string, unknown> = { ...form.getValues() }
      for (const s of secrets ?? []) delete values[s]
      return values
    })
  }, [form, path, draft, secrets])

  const dirty = form.formState.isDirty
  const blocker = useBlocker(({ nextLocation }) => dirty && !done.current && nextLocation.pathname !== '/login')
  useEffect(() => {
    if (blocker.state === 'blocked') confirm(t.form.leave) ? blocker.proceed() : blocker.reset()
  }, [blocker])

  return (
    <FormProvider {...form}>
      <Form onSubmit={submit} className={p.wide ? undefined : 'atoll-form'} noValidate>
        {alerts}
        {p.children}
        <ActionGroup>
          <Button type="submit" isLoading={form.formState.isSubmitting} isDisabled={form.formState.isSubmitting}>
            {p.submit}
          </Button>
          {p.extra?.(form.getValues, form.trigger)}
          <Button variant="link" onClick={p.onCancel}>
            {t.cancel}
          </Button>
        </ActionGroup>
        <Equivalent request={() => p.request(form.watch())} />
      </Form>
    </FormProvider>
  )
}
