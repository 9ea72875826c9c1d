import { Button, Form } from '@patternfly/react-core'
import { FormProvider } from 'react-hook-form'
import { client } from '@/api/client'
import { TextField } from '@/form/fields'
import { useSubmit } from '@/form/useSubmit'
import { toast } from '@/frame/toasts'
import { t } from '@/text'

type Values = { old: string; new: string; repeat: string }

const empty: Values = { old: '', new: '', repeat: '' }

/** PasswordForm changes one's own password. */
export function PasswordForm({ user }: { user: string }) {
  const { form, submit, alerts } = useSubmit<Values>({
    defaults: empty,
    onSubmit: async (v) => {
      const body = { password: v.new, old_password: v.old }
      await client.POST('/api/v1/users/{user}/password', { params: { path: { user } }, body })
      form.reset(empty)
      toast('success', t.profile.changed)
    },
  })
  const input = { type: 'password', required: true } as const
  return (
    <FormProvider {...form}>
      <Form onSubmit={submit} className="atoll-form" noValidate>
        {alerts}
        <TextField<Values> name="old" label={t.profile.oldPassword} autoComplete="current-password" {...input} />
        <TextField<Values> name="new" label={t.profile.newPassword} autoComplete="new-password" {...input} />
        <TextField<Values>
          name="repeat"
          label={t.signIn.repeat}
          autoComplete="new-password"
          rules={{ validate: (again, v) => again === v.new || t.signIn.differ }}
          {...input}
        />
        <div>
          <Button type="submit">{t.profile.change}</Button>
        </div>
      </Form>
    </FormProvider>
  )
}
