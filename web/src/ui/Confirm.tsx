import { Button, Content, Form, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { type ReactNode, useState } from 'react'
import { t } from '@/text'
import { ErrorView } from './ErrorView'

type Props = {
  title: string
  verb: string
  /** what is lost cannot be had again */
  danger?: boolean
  /** whether it cannot be confirmed yet */
  blocked?: boolean
  children?: ReactNode
  /** whether what is typed will do; the fields say what is wrong */
  valid?: () => Promise<boolean>
  onConfirm: () => Promise<unknown>
  onClose: () => void
}

/**
 * Confirm asks once before something is done, and stays open with the reason if it is
 * refused. Its children may be fields: Enter confirms.
 */
export function Confirm({ title, verb, danger, blocked, children, valid, onConfirm, onClose }: Props) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const go = async () => {
    if (valid && !(await valid())) return
    setBusy(true)
    try {
      await onConfirm()
      onClose()
    } catch (e) {
      setError(e as Error)
      setBusy(false)
    }
  }
  return (
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="ask-title">
      <ModalHeader title={title} titleIconVariant={danger ? 'warning' : undefined} labelId="ask-title" />
      <ModalBody>
        {error && <ErrorView error={error} />}
        <Form
          id="ask-form"
          onSubmit={(e) => {
            e.preventDefault()
            if (!busy && !blocked) void go()
          }}
        >
          {typeof children === 'string' ? <Content component="p">{children}</Content> : children}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button
          variant={danger ? 'danger' : 'primary'}
          type="submit"
          form="ask-form"
          isLoading={busy}
          isDisabled={busy || blocked}
        >
          {verb}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t.cancel}
        </Button>
      </ModalFooter>
    </Modal>
  )
}
