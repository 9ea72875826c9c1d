import { Content, FormGroup, TextInput } from '@patternfly/react-core'
import { type ReactNode, useState } from 'react'
import { t } from '@/text'
import { Confirm } from './Confirm'

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

/** ConfirmDelete asks for the name before something is destroyed. */
export function ConfirmDelete({ kind, name, children, more, title, verb, onConfirm, onClose }: Props) {
  const [typed, setTyped] = useState('')
  return (
    <Confirm
      danger
      title={title ?? t.remove.title(kind, name)}
      verb={verb ?? t.delete}
      blocked={typed !== name}
      onConfirm={onConfirm}
      onClose={onClose}
    >
      <Content component="p">{children ?? t.remove.final}</Content>
      <FormGroup label={t.remove.ask(name)} fieldId="confirm-name">
        <TextInput id="confirm-name" value={typed} onChange={(_, v) => setTyped(v)} autoComplete="off" autoFocus />
      </FormGroup>
      {more}
    </Confirm>
  )
}
