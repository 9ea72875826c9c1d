import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { type ReactNode, useId } from 'react'
import { type DefaultValues, type FieldValues, FormProvider } from 'react-hook-form'
import { t } from '@/text'
import type { Edit } from './Conflict'
import { Equivalent } from './Equivalent'
import type { Request } from './request'
import { useSubmit } from './useSubmit'

type Props<V extends FieldValues> = {
  title: string
  /** one sentence on what it does */
  lead?: ReactNode
  defaults: DefaultValues<V>
  request?: (values: V) => Request
  /** the dialog closes when it succeeds, unless it answers false */
  onSubmit: (values: V, key: string, version: number) => Promise<unknown>
  /** of the object that the form changes: what is needed when somebody else changes it too */
  edit?: Edit<V>
  onClose: () => void
  submit: string
  extra?: (values: () => V, valid: () => Promise<boolean>) => ReactNode
  children: ReactNode
}

/** FormModal is a small form over a page. What is typed stays when the call is refused. */
export function FormModal<V extends FieldValues>(p: Props<V>) {
  const id = useId()
  const { form, submit, alerts } = useSubmit<V>({
    ...p,
    onSubmit: async (values, key, version) => {
      if ((await p.onSubmit(values, key, version)) !== false) p.onClose()
    },
  })
  const busy = form.formState.isSubmitting
  const request = p.request
  return (
    <Modal isOpen variant="medium" onClose={p.onClose} aria-labelledby={`${id}-title`}>
      <ModalHeader title={p.title} description={p.lead} labelId={`${id}-title`} />
      <ModalBody tabIndex={0} role="group" aria-labelledby={`${id}-title`}>
        <FormProvider {...form}>
          <Form id={id} onSubmit={submit} noValidate>
            {alerts}
            {p.children}
            {request && <Equivalent request={() => request(form.watch())} />}
          </Form>
        </FormProvider>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form={id} isLoading={busy} isDisabled={busy}>
          {p.submit}
        </Button>
        {p.extra?.(form.getValues, form.trigger)}
        <Button variant="link" onClick={p.onClose}>
          {t.cancel}
        </Button>
      </ModalFooter>
    </Modal>
  )
}
