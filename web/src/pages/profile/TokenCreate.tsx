import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { readAgain } from '@/api/queries'
import { FormModal } from '@/form/FormModal'
import { CheckField, NumberField, TextField } from '@/form/fields'
import { flag, quote } from '@/form/request'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'

const x = t.profile

/** TokenCreate makes a token of one's own and shows its secret, once. */
export function TokenCreate({ onClose }: { onClose: () => void }) {
  const [secret, setSecret] = useState<string>()
  if (!secret) return <TokenForm title={x.tokenCreate} onClose={onClose} onCreated={setSecret} />
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="token-title">
      <ModalHeader title={x.tokenCreate} labelId="token-title" />
      <ModalBody>
        <p>{x.tokenShown}</p>
        <Copyable text={secret} label={x.tokens} />
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{t.close}</Button>
      </ModalFooter>
    </Modal>
  )
}

type Values = { name: string; days?: number; read: boolean }
type FormProps = {
  title: string
  /** the service account whose token it is; none for one's own */
  of?: Schemas['ServiceAccount']
  onClose: () => void
  /** takes the secret, and shows it in the form's place */
  onCreated: (secret: string) => void
}

/** TokenForm makes a token, of oneself or of a service account. */
export function TokenForm({ title, of, onClose, onCreated }: FormProps) {
  const body = (v: Values) => ({
    name: v.name,
    ...(of && { user: of.id }),
    scope: v.read ? ('read' as const) : ('full' as const),
    ...(v.days && { ttl: `${v.days * 24}h` }),
  })
  return (
    <FormModal<Values>
      title={title}
      defaults={{ name: '', days: 90, read: false }}
      submit={t.create}
      onClose={onClose}
      request={(v) => ({
        method: 'POST',
        path: '/tokens',
        body: body(v),
        cli: [
          'token create',
          quote(v.name || 'NAME'),
          flag('user', of?.id),
          v.read && '--scope read',
          flag('ttl', v.days && `${v.days * 24}h`),
        ],
      })}
      onSubmit={async (v, key) => {
        const params = { header: { 'Idempotency-Key': key } }
        const { data } = await client.POST('/api/v1/tokens', { params, body: body(v) })
        // Tokens are nobody else’s business: no event tells of them.
        void readAgain('/api/v1/tokens')
        onCreated(data?.secret ?? '')
        return false
      }}
    >
      <TextField<Values> name="name" label={x.tokenName} required autoFocus />
      <NumberField<Values> name="days" label={x.tokenDays} help={x.tokenDaysHelp} min={1} />
      <CheckField<Values> name="read" label={x.tokenReadOnly} />
    </FormModal>
  )
}
