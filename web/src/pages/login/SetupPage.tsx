import { Button, Card, CardBody, CardTitle, Content, Form, FormGroup, TextInput } from '@patternfly/react-core'
import { type FormEvent, useState } from 'react'
import { useLocation, useNavigate } from 'react-router'
import { ApiError, client } from '@/api/client'
import { queries } from '@/api/queries'
import { paths } from '@/paths'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'

/** SetupPage sets the first password, with the secret of a one-time link. */
export function Component() {
  const secret = useLocation().hash.slice(1) // after the #, so that it is in no log
  const navigate = useNavigate()
  const [password, setPassword] = useState('')
  const [repeat, setRepeat] = useState('')
  const [error, setError] = useState<Error>()

  const submit = async (e: FormEvent) => {
    e.preventDefault()
    if (password !== repeat) return setError(new Error(t.signIn.differ))
    try {
      const { data } = await client.POST('/api/v1/setup', { body: { secret, password } })
      queries.clear()
      navigate(data?.enrol ? paths.enrol : paths.home, { replace: true })
    } catch (e) {
      // The password is set; who has a second factor signs in with it.
      if (e instanceof ApiError && e.problem.code === 'second-factor') navigate(paths.login, { replace: true })
      else setError(e as Error)
    }
  }
  return (
    <div className="atoll-login">
      <main>
        <Card>
          <CardTitle component="h1">{t.signIn.setupTitle}</CardTitle>
          <CardBody>
            <Content component="p">{t.signIn.setupBody}</Content>
            {error && <ErrorView error={error} />}
            <Form onSubmit={submit}>
              <FormGroup label={t.signIn.password} fieldId="password" isRequired>
                <TextInput
                  id="password"
                  type="password"
                  autoComplete="new-password"
                  value={password}
                  onChange={(_, v) => setPassword(v)}
                  autoFocus
                />
              </FormGroup>
              <FormGroup label={t.signIn.repeat} fieldId="repeat" isRequired>
                <TextInput
                  id="repeat"
                  type="password"
                  autoComplete="new-password"
                  value={repeat}
                  onChange={(_, v) => setRepeat(v)}
                />
              </FormGroup>
              <Button type="submit" isBlock isDisabled={password.length < 10}>
                {t.save}
              </Button>
            </Form>
          </CardBody>
        </Card>
      </main>
    </div>
  )
}
