import { useState } from 'react'
import { useNavigate } from 'react-router'
import { client, type Schemas } from '@/api/client'
import { FormPage } from '@/form/FormPage'
import { flag, quote } from '@/form/request'
import { paths } from '@/paths'
import { isAdmin, useMe } from '@/session'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { SetupLink } from './SetupLink'
import { UserFields, type Values } from './UserFields'

const x = t.users

// What is left empty is not sent.
const bodyOf = (v: Values): Schemas['UserCreate'] => ({
  name: v.name,
  ...(v.email && { email: v.email }),
  ...(v.full_name && { full_name: v.full_name }),
  ...(v.role && { role: v.role }),
})

/** UserCreatePage makes a user and shows once the link that sets the password. */
export function Component() {
  const navigate = useNavigate()
  const admin = isAdmin(useMe())
  const [created, setCreated] = useState<Schemas['UserCreated']>()
  return (
    <Page title={x.create} lead={x.createAbout}>
      <FormPage<Values>
        defaults={{ name: '', full_name: '', email: '', role: '' }}
        submit={x.create}
        onCancel={() => navigate(paths.users)}
        request={(v) => ({
          method: 'POST',
          path: '/users',
          body: bodyOf(v),
          cli: [
            'user create',
            quote(v.name || 'NAME'),
            flag('full-name', v.full_name),
            flag('email', v.email),
            flag('role', v.role),
          ],
        })}
        onSubmit={async (v, key) => {
          const params = { header: { 'Idempotency-Key': key } }
          setCreated((await client.POST('/api/v1/users', { params, body: bodyOf(v) })).data)
        }}
      >
        <UserFields role={admin} />
      </FormPage>
      {created && <SetupLink name={created.name} link={created} onClose={() => navigate(paths.user(created.id))} />}
    </Page>
  )
}
