// The user that a page and its tabs are about.
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useParams } from 'react-router'
import { api, type Schemas } from '@/api/client'
import { queries } from '@/api/queries'
import { t } from '@/text'
import { StateLabel } from '@/ui/StateLabel'

export type User = Schemas['User']

export const userQuery = (user: string) =>
  api.queryOptions('get', '/api/v1/users/{user}', { params: { path: { user } } })

/** loadUser reads the user of the address; one that is not there is the page “not found”. */
export const loadUser = ({ params }: LoaderFunctionArgs) => queries.ensureQueryData(userQuery(params.user ?? ''))

export const useUserQuery = () => useSuspenseQuery(userQuery(useParams().user ?? ''))

/** useUser is the user of the page's address. */
export const useUser = () => useUserQuery().data

/** UserState says whether a user may sign in. */
export const UserState = ({ user: u }: { user: User }) => <StateLabel state={u.disabled ? 'disabled' : 'active'} />

/** roleOptions are the roles in the installation. */
export const roleOptions = Object.entries(t.users.roleOf).map(([value, label]) => ({ value, label }))
