import {
  Button,
  Checkbox,
  Form,
  FormGroup,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  TextInput,
} from '@patternfly/react-core'
import { type FormEvent, useState } from 'react'
import { client } from '@/api/client'
import { readAgain } from '@/api/queries'
import { Equivalent } from '@/form/Equivalent'
import { newKey } from '@/form/FormPage'
import { flag, quote } from '@/form/request'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import { ErrorView } from '@/ui/ErrorView'

const x = t.profile

/** TokenCreate makes a token and shows its secret, once. */
export function TokenCreate({ onClose }: { onClose: () => void }) {
  const [typed, setTyped] = useState({ name: '', days: '90', read: false })
  const [key] = useState(newKey)
  const [secret, setSecret] = useState<string>()
  const [error, setError] = useState<Error>()
  const body = {
    name: typed.name,
    scope: typed.read ? ('read' as const) : ('full' as const),
    ...(typed.days && { ttl: `${Number(typed.days) * 24}h` }),
  }
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    try {
      const answer = await client.POST('/api/v1/tokens', { params: { header: { 'Idempotency-Key': key } }, body })
      setSecret(answer.data?.secret)
      void readAgain('/api/v1/tokens')
    } catch (e) {
      setError(e as Error)
    }
  }
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="token-title">
      <ModalHeader title={x.tokenCreate} labelId="token-title" />
      <ModalBody>
        {error && <ErrorView error={error} />}
        {secret ? (
          <>
            <p>{x.tokenShown}</p>
            <Copyable text={secret} label={x.tokens} />
          </>
        ) : (
          <Form id="token-form" onSubmit={submit}>
            <FormGroup label={x.tokenName} fieldId="token-name" isRequired>
              <TextInput
                id="token-name"
                value={typed.name}
                onChange={(_, name) => setTyped({ ...typed, name })}
                autoFocus
              />
            </FormGroup>
            <FormGroup label={x.tokenDays} fieldId="token-days">
              <TextInput
                id="token-days"
                type="number"
                min={1}
                value={typed.days}
                onChange={(_, days) => setTyped({ ...typed, days })}
              />
            </FormGroup>
            <Checkbox
              id="token-read"
              label={x.tokenReadOnly}
              isChecked={typed.read}
              onChange={(_, read) => setTyped({ ...typed, read })}
            />
            <Equivalent
              request={() => ({
                method: 'POST',
                path: '/tokens',
                body,
                cli: [
                  'token create',
                  quote(typed.name || 'NAME'),
                  flag('scope', body.scope),
                  flag('ttl', typed.days && `${Number(typed.days) * 24}h`),
                ],
              })}
            />
          </Form>
        )}
      </ModalBody>
      <ModalFooter>
        {secret ? (
          <Button onClick={onClose}>{t.close}</Button>
        ) : (
          <>
            <Button type="submit" form="token-form" isDisabled={!typed.name}>
              {t.create}
            </Button>
            <Button variant="link" onClick={onClose}>
              {t.cancel}
            </Button>
          </>
        )}
      </ModalFooter>
    </Modal>
  )
}
