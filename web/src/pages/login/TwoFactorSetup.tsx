import {
  Button,
  Content,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  List,
  ListItem,
  TextInput,
} from '@patternfly/react-core'
import { type FormEvent, useState } from 'react'
import { renderSVG } from 'uqr'
import { ApiError, client } from '@/api/client'
import { t } from '@/text'
import { Copyable } from '@/ui/Copyable'
import { ErrorView } from '@/ui/ErrorView'

const x = t.secondFactor

/** TwoFactorSetup sets up an authenticator: secret, first code, recovery codes. */
export function TwoFactorSetup({ replaces, onDone }: { replaces?: boolean; onDone: () => void }) {
  const [secret, setSecret] = useState<{ secret: string; otpauth_uri: string }>()
  const [recovery, setRecovery] = useState<string[]>()
  const [askPassword, setAskPassword] = useState(false)
  const [typed, setTyped] = useState({ password: '', code: '', first: '' })
  const [error, setError] = useState<Error>()

  const guarded = (step: () => Promise<void>) => async (e: FormEvent) => {
    e.preventDefault()
    setError(undefined)
    await step().catch((e: Error) => {
      // Who signed in a while ago shows that it is still him.
      if (e instanceof ApiError && e.problem.field === 'password') setAskPassword(true)
      setError(e)
    })
  }
  const begin = guarded(async () => {
    const body = { ...(typed.password && { password: typed.password }), ...(typed.code && { code: typed.code }) }
    setSecret((await client.POST('/api/v1/me/totp', { body })).data)
  })
  const confirm = guarded(async () => {
    setRecovery((await client.POST('/api/v1/me/totp/confirm', { body: { code: typed.first } })).data?.recovery_codes)
  })
  const field = (key: keyof typeof typed) => ({
    id: `totp-${key}`,
    value: typed[key],
    onChange: (_: FormEvent, v: string) => setTyped({ ...typed, [key]: v }),
  })

  if (recovery) return <RecoveryCodes codes={recovery} onDone={onDone} />
  if (!secret)
    return (
      <Form onSubmit={begin} className="atoll-form">
        <Content component="p">{x.about}</Content>
        {error && <ErrorView error={error} />}
        {askPassword && (
          <FormGroup label={t.signIn.password} fieldId="totp-password" isRequired>
            <TextInput {...field('password')} type="password" autoComplete="current-password" />
          </FormGroup>
        )}
        {replaces && (
          <FormGroup label={x.presentCode} fieldId="totp-code" isRequired>
            <TextInput {...field('code')} autoComplete="one-time-code" inputMode="numeric" />
          </FormGroup>
        )}
        <Button type="submit">{x.begin}</Button>
      </Form>
    )
  return (
    <Form onSubmit={confirm} className="atoll-form">
      {error && <ErrorView error={error} />}
      <List component="ol">
        <ListItem>
          {x.scan}
          <img
            className="atoll-qr"
            alt={x.qr}
            src={`data:image/svg+xml,${encodeURIComponent(renderSVG(secret.otpauth_uri))}`}
          />
        </ListItem>
        <ListItem>
          {x.orType} <Copyable text={secret.secret} label={x.secret} />
        </ListItem>
        <ListItem>{x.typeCode}</ListItem>
      </List>
      <FormGroup label={x.firstCode} fieldId="totp-first" isRequired>
        <TextInput {...field('first')} autoComplete="one-time-code" inputMode="numeric" autoFocus />
        <FormHelperText>
          <HelperText>
            <HelperTextItem>{x.clock}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      <Button type="submit">{x.confirm}</Button>
    </Form>
  )
}

/** RecoveryCodes shows new recovery codes, which are shown only now. */
export function RecoveryCodes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  return (
    <>
      <Content component="h2">{x.recovery}</Content>
      <Content component="p">{x.recoveryAbout}</Content>
      <ul className="atoll-codes" aria-label={x.recovery}>
        {codes.map((c) => (
          <li key={c}>
            <code>{c}</code>
          </li>
        ))}
      </ul>
      <Copyable text={codes.join(' ')} label={x.recovery} />
      <p>
        <Button onClick={onDone}>{x.kept}</Button>
      </p>
    </>
  )
}
