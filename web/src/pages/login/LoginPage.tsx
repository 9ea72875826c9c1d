import {
  Alert,
  Button,
  Card,
  CardBody,
  CardTitle,
  Divider,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Stack,
  StackItem,
  TextInput,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useLocation, useNavigate, useSearchParams } from 'react-router'
import { ApiError, api, client } from '@/api/client'
import { queries } from '@/api/queries'
import { paths } from '@/paths'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'

/** localPath is where to go after signing in: a path of the portal, whatever the address says. */
export function localPath(to: string | null): string {
  return to?.startsWith('/') && !to.startsWith('//') && !to.includes('\\') ? to : paths.home
}

/** LoginPage signs in by password and second factor, or by a provider. */
export function Component() {
  const [params] = useSearchParams()
  const back = localPath(params.get('return_to'))
  const ended = Boolean(useLocation().state?.ended)
  const navigate = useNavigate()
  const branding = useQuery(api.queryOptions('get', '/api/v1/branding')).data
  const providers = useQuery(api.queryOptions('get', '/api/v1/login/providers')).data?.items ?? []
  const [typed, setTyped] = useState({ name: '', password: '', code: '' })
  const [askCode, setAskCode] = useState(false)
  const [error, setError] = useState<Error>()
  const [busy, setBusy] = useState(false)
  const problem = params.get('problem')

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      const body = { name: typed.name, password: typed.password, ...(askCode && { code: typed.code }) }
      const { data } = await client.POST('/api/v1/login', { body })
      queries.clear()
      navigate(data?.enrol ? paths.enrol : back, { replace: true })
    } catch (e) {
      const secondFactor = e instanceof ApiError && e.problem.code === 'second-factor'
      if (secondFactor) setAskCode(true)
      if (!secondFactor || e.problem.field) setError(e as Error)
      setBusy(false)
    }
  }
  const field = (key: keyof typeof typed) => ({
    id: key,
    value: typed[key],
    isRequired: true,
    onChange: (_: FormEvent, v: string) => setTyped({ ...typed, [key]: v }),
  })
  return (
    <div className="atoll-login">
      <main>
        <Card>
          <CardTitle component="h1">
            {t.signIn.title} – {branding?.display_name ?? t.product}
          </CardTitle>
          <CardBody>
            <Stack hasGutter>
              {ended && <Alert isInline variant="info" title={t.signIn.ended} />}
              {problem && (
                <Alert isInline variant="danger" title={t.signIn.failed}>
                  {t.signIn.problem[problem] ?? t.signIn.problem.internal}{' '}
                  {params.get('request_id') && t.error.requestID(params.get('request_id') ?? '')}
                </Alert>
              )}
              {error && <ErrorView error={error} title={t.signIn.failed} />}
              {branding?.notice && <StackItem className="atoll-text">{branding.notice}</StackItem>}
              <Form onSubmit={submit}>
                {askCode ? (
                  <FormGroup label={t.signIn.code} fieldId="code" isRequired>
                    <TextInput {...field('code')} autoComplete="one-time-code" inputMode="numeric" autoFocus />
                    <FormHelperText>
                      <HelperText>
                        <HelperTextItem>{t.signIn.codeHelp}</HelperTextItem>
                      </HelperText>
                    </FormHelperText>
                  </FormGroup>
                ) : (
                  <>
                    <FormGroup label={t.signIn.name} fieldId="name" isRequired>
                      <TextInput {...field('name')} autoComplete="username" autoFocus />
                    </FormGroup>
                    <FormGroup label={t.signIn.password} fieldId="password" isRequired>
                      <TextInput {...field('password')} type="password" autoComplete="current-password" />
                    </FormGroup>
                  </>
                )}
                <Button type="submit" isBlock isLoading={busy} isDisabled={busy}>
                  {t.signIn.submit}
                </Button>
              </Form>
              {providers.length > 0 && <Divider />}
              {providers.map((p) => (
                <Button
                  key={p.name}
                  component="a"
                  variant="secondary"
                  isBlock
                  href={`${p.url}?return_to=${encodeURIComponent(back)}`}
                >
                  {t.signIn.with(p.label)}
                </Button>
              ))}
            </Stack>
          </CardBody>
        </Card>
      </main>
    </div>
  )
}
