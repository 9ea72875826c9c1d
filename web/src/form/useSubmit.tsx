import { type ReactNode, useRef, useState } from 'react'
import { type DefaultValues, type FieldValues, type Path, type UseFormReturn, useForm } from 'react-hook-form'
import { ApiError } from '@/api/client'
import { ErrorView } from '@/ui/ErrorView'
import { Conflict, type Difference, differences, type Edit, merged } from './Conflict'

type Options<V extends FieldValues> = {
  defaults: DefaultValues<V>
  /** of the object that the form changes: what is needed when somebody else changes it too */
  edit?: Edit<V>
  /** makes the call; version is the one that the values were made from, for If-Match (0 in a form without edit) */
  onSubmit: (values: V, key: string, version: number) => Promise<unknown>
  /** how an error is shown that ErrorView does not do justice; undefined for the others */
  showError?: (e: Error) => ReactNode | undefined
}

type Submit<V extends FieldValues> = {
  form: UseFormReturn<V>
  submit: () => Promise<void>
  /** what went wrong, or who was quicker; above the fields */
  alerts: ReactNode
  /** whether a call succeeded, or is under way */
  done: { current: boolean }
}

/** newKey is a fresh Idempotency-Key; also where the browser gives randomUUID to secure pages alone. */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('')

/**
 * useSubmit is what all forms have in common: a field that the API names gets its
 * error; sending again after a lost answer does not do the thing twice; and when
 * somebody else changed the object meanwhile, both versions are shown and either
 * may be kept.
 */
export function useSubmit<V extends FieldValues>({ defaults, edit, onSubmit, showError }: Options<V>): Submit<V> {
  const form = useForm<V>({ defaultValues: defaults, mode: 'onTouched' })
  const [error, setError] = useState<Error>()
  const key = useRef({ of: '', value: '' })
  const done = useRef(false)
  const base = useRef({ version: edit?.version ?? 0, values: defaults as V })
  const [conflict, setConflict] = useState<{ theirs: V; version: number; differences: Difference[] }>()

  const send = async (values: V) => {
    setError(undefined)
    setConflict(undefined)
    const text = JSON.stringify([values, base.current.version])
    if (key.current.of !== text) key.current = { of: text, value: newKey() }
    try {
      done.current = true
      await onSubmit(values, key.current.value, base.current.version)
    } catch (e) {
      done.current = false
      if (await overtaken(e as Error, values)) return
      setError(e as Error)
      const field = e instanceof ApiError ? e.problem.field?.replace(/^body\./, '') : undefined
      if (field && field in values) form.setError(field as Path<V>, { message: (e as Error).message })
    }
  }

  // Whether a refusal is that of an older version: then both versions are shown. If
  // nothing that the form shows was changed, it is sent again from the new one.
  const overtaken = async (e: Error, mine: V): Promise<boolean> => {
    if (!edit || !(e instanceof ApiError) || e.problem.code !== 'conflict') return false
    try {
      const now = await edit.reload()
      if (now.version === base.current.version) return false
      const found = differences(edit, base.current.values, now.values, mine)
      if (found.length === 0) {
        base.current = { version: now.version, values: now.values }
        await send(mine)
      } else setConflict({ theirs: now.values, version: now.version, differences: found })
      return true
    } catch {
      return false // it is gone, or cannot be read: the refusal itself says enough
    }
  }

  const settle = (edit: Edit<V>, c: { theirs: V; version: number }, keepMine: boolean) => {
    const mine = keepMine ? merged(edit, base.current.values, c.theirs, form.getValues()) : c.theirs
    base.current = { version: c.version, values: c.theirs }
    form.reset(c.theirs)
    for (const [f, v] of Object.entries(mine)) form.setValue(f as Path<V>, v, { shouldDirty: true })
    setConflict(undefined)
    if (keepMine) void submit()
  }

  const submit = form.handleSubmit(send)
  const alerts = (
    <>
      {error && (showError?.(error) ?? <ErrorView error={error} />)}
      {conflict && edit && (
        <Conflict
          edit={edit}
          {...conflict}
          mine={form.getValues()}
          onOverwrite={() => settle(edit, conflict, true)}
          onTake={() => settle(edit, conflict, false)}
        />
      )}
    </>
  )
  return { form, submit, alerts, done }
}
