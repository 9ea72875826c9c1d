import { useNavigate } from 'react-router'
import { client, ifMatch } from '@/api/client'
import { queries } from '@/api/queries'
import { FormPage } from '@/form/FormPage'
import { quote } from '@/form/request'
import { paths } from '@/paths'
import { isAdmin, useMe } from '@/session'
import { t } from '@/text'
import { Page } from '@/ui/Page'
import { UserFields, type Values } from './UserFields'
import { loadUser, type User, userQuery, useUser } from './user'

export const loader = loadUser

const x = t.users

const valuesOf = (u: User): Values => ({
  name: u.name,
  full_name: u.full_name ?? '',
  email: u.email ?? '',
  role: (u.role ?? '') as Values['role'],
})

/** UserEditPage changes who a user is, and the role in the installation. */
export function Component() {
  const u = useUser()
  const navigate = useNavigate()
  const admin = isAdmin(useMe())
  const back = () => navigate(paths.user(u.id))
  // Only what was changed is sent: some fields are for admins alone.
  const bodyOf = (v: Values) => {
    const old: Record<string, string> = valuesOf(u)
    return Object.fromEntries(Object.entries(v).filter(([k, value]) => value !== old[k])) as Partial<Values>
  }
  return (
    <Page title={`${x.edit}: ${u.name}`}>
      <FormPage<Values>
        defaults={valuesOf(u)}
        submit={t.save}
        onCancel={back}
        edit={{
          version: u.version,
          reload: async () => {
            const now = await queries.fetchQuery({ ...userQuery(u.id), staleTime: 0 })
            return { version: now.version, values: valuesOf(now) }
          },
          labels: { name: x.name, full_name: x.fullName, email: x.email, role: x.role },
        }}
        request={(v) => ({
          method: 'PATCH',
          path: `/users/${u.id}`,
          body: bodyOf(v),
          cli: [
            'user update',
            quote(u.name),
            // An empty value counts too: it takes away what was there.
            ...Object.entries(bodyOf(v)).map(([k, value]) => `--${k.replace('_', '-')} ${quote(String(value))}`),
          ],
        })}
        onSubmit={async (v, _, version) => {
          const params = { path: { user: u.id }, header: ifMatch(version) }
          await client.PATCH('/api/v1/users/{user}', { params, body: bodyOf(v) })
          back()
        }}
      >
        <UserFields role={admin} />
      </FormPage>
    </Page>
  )
}
