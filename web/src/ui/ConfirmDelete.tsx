import {
  Button,
  Content,
  Form,
  FormGroup,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from '@patternfly/react-core'
import { type ReactNode, useState } from 'react'
import { t } from '@/text'
import { ErrorView } from './ErrorView'

type Props = {
  /** what is lost, in words: a kind such as “machine” */
  kind: string
  name: string
  /** what goes with it */
  children?: ReactNode
  /** more to choose */
  more?: ReactNode
  /** another verb than to delete */
  title?: string
  verb?: string
  onConfirm: () => Promise<unknown>
  onClose: () => void
}

/** ConfirmDelete asks for the name before something is destroyed, and stays open with the reason if it is refused. */
export function ConfirmDelete({ kind, name, children, more, title, verb, onConfirm, onClose }: Props) {
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Error>()
  const submit = async () => {
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
    <Modal isOpen variant="small" onClose={onClose} aria-labelledby="confirm-title">
      <ModalHeader title={title ?? t.remove.title(kind, name)} titleIconVariant="warning" labelId="confirm-title" />
      <ModalBody>
        {error && <ErrorView error={error} />}
        <Content component="p">{children ?? t.remove.final}</Content>
        <Form
          id="confirm-form"
          onSubmit={(e) => {
            e.preventDefault()
            if (typed === name) void submit()
          }}
        >
          <FormGroup label={t.remove.ask(name)} fieldId="confirm-name">
            <TextInput id="confirm-name" value={typed} onChange={(_, v) => setTyped(v)} autoComplete="off" autoFocus />
          </FormGroup>
          {more}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" type="submit" form="confirm-form" isDisabled={typed !== name || busy} isLoading={busy}>
          {verb ?? t.delete}
        </Button>
        <Button variant="link" onClick={onClose}>
          {t.cancel}
        </Button>
      </ModalFooter>
    </Modal>
  )
}
