import { Button, Form, FormGroup, TextInput } from '@patternfly/react-core'
import { type FormEvent, useState } from 'react'
import { client } from '@/api/client'
import { toast } from '@/frame/toasts'
import { t } from '@/text'
import { ErrorView } from '@/ui/ErrorView'

const empty = { old: '', new: '', repeat: '' }

/** PasswordForm changes one's own password. */
export function PasswordForm({ user }: { user: string }) {
  const [typed, setTyped] = useState(empty)
  const [error, setError] = useState<Error>()
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    if (typed.new !== typed.repeat) return setError(new Error(t.signIn.differ))
    try {
      await client.POST('/api/v1/users/{user}/password', {
        params: { path: { user } },
        body: { password: typed.new, old_password: typed.old },
      })
      setTyped(empty)
      setError(undefined)
      toast('success', t.profile.changed)
    } catch (e) {
      setError(e as Error)
    }
  }
  const input = (key: keyof typeof empty, label: string, autoComplete: string) => (
    <FormGroup label={label} fieldId={`password-${key}`} isRequired>
      <TextInput
        id={`password-${key}`}
        type="password"
        autoComplete={autoComplete}
        value={typed[key]}
        onChange={(_, v) => setTyped({ ...typed, [key]: v })}
      />
    </FormGroup>
  )
  return (
    <Form onSubmit={submit} className="atoll-form">
      {error && <ErrorView error={error} />}
      {input('old', t.profile.oldPassword, 'current-password')}
      {input('new', t.profile.newPassword, 'new-password')}
      {input('repeat', t.signIn.repeat, 'new-password')}
      <div>
        <Button type="submit" isDisabled={!typed.old || typed.new.length < 10}>
          {t.profile.change}
        </Button>
      </div>
    </Form>
  )
}
