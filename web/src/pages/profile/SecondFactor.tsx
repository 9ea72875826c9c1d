import { Button, Flex, FormGroup, Modal, ModalBody, ModalHeader, TextInput } from '@patternfly/react-core'
import { useState } from 'react'
import { client, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { RecoveryCodes, TwoFactorSetup } from '@/pages/login/TwoFactorSetup'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'

const x = t.secondFactor

/** SecondFactor says whether a second factor is set up, and sets it up, replaces or removes it. */
export function SecondFactor({ state }: { state: Schemas['Me']['second_factor'] }) {
  const [step, setStep] = useState<'setup' | 'codes' | 'disable'>()
  const close = () => {
    setStep(undefined)
    void queries.invalidateQueries({ queryKey: ['get', '/api/v1/me'] })
  }
  return (
    <>
      <p>{state.enabled ? x.on(state.recovery_codes_left ?? 0) : x.off}</p>
      <Flex>
        <Button variant="secondary" onClick={() => setStep('setup')}>
          {state.enabled ? x.replace : x.begin}
        </Button>
        {state.enabled && (
          <Button variant="secondary" onClick={() => setStep('codes')}>
            {x.newCodes}
          </Button>
        )}
        {state.enabled && !state.required && (
          <Button variant="secondary" isDanger onClick={() => setStep('disable')}>
            {x.disable}
          </Button>
        )}
      </Flex>
      {step && (
        <Modal isOpen variant="medium" onClose={close} aria-labelledby="factor-title">
          <ModalHeader title={x.title} labelId="factor-title" />
          <ModalBody>
            {step === 'setup' ? (
              <TwoFactorSetup replaces={state.enabled} onDone={close} />
            ) : (
              <WithCode renew={step === 'codes'} onDone={close} />
            )}
          </ModalBody>
        </Modal>
      )}
    </>
  )
}

// What needs a code first: new recovery codes, or the end of the second factor.
function WithCode({ renew, onDone }: { renew: boolean; onDone: () => void }) {
  const [code, setCode] = useState('')
  const [codes, setCodes] = useState<string[]>()
  const [error, setError] = useState<Error>()
  const submit = async () => {
    try {
      const body = { code }
      if (renew) setCodes((await client.POST('/api/v1/me/totp/recovery-codes', { body })).data?.recovery_codes)
      else {
        await client.POST('/api/v1/me/totp/disable', { body })
        onDone()
      }
    } catch (e) {
      setError(e as Error)
    }
  }
  if (codes) return <RecoveryCodes codes={codes} onDone={onDone} />
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        void submit()
      }}
    >
      {error && <ErrorView error={error} />}
      <FormGroup label={x.code} fieldId="factor-code" isRequired>
        <TextInput
          id="factor-code"
          value={code}
          onChange={(_, v) => setCode(v)}
          inputMode="numeric"
          autoComplete="one-time-code"
          autoFocus
        />
      </FormGroup>
      <p>
        <Button type="submit" variant={renew ? 'primary' : 'danger'} isDisabled={!code}>
          {renew ? x.newCodes : x.disable}
        </Button>
      </p>
    </form>
  )
}
