import { Button } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import type { Schemas } from '@/api/client'
import { listQuery } from '@/lists'
import { objectQuery } from '@/names'
import { choose, useChosen } from '@/session'
import { t } from '@/text'
import { Empty } from '@/ui/Empty'
import { ErrorView } from '@/ui/ErrorView'

type Account = Schemas['Account']

/** accountsQuery is the accounts that one can choose from. */
export const accountsQuery = listQuery('/api/v1/accounts', { limit: 200, sort: 'name' })

/** useAccount is the chosen account, or the only one there is. */
export function useAccount(): { account?: Account; accounts: Account[]; loading: boolean; error: Error | null } {
  const chosen = useChosen().account
  const list = useQuery(accountsQuery)
  const accounts = list.data?.items ?? []
  // One that exists no longer is none: then it is asked for again.
  const own = useQuery({
    ...objectQuery<Account>('account', chosen ?? ''),
    enabled: Boolean(chosen),
    throwOnError: false,
  })
  const account = own.data ?? (accounts.length === 1 ? accounts[0] : undefined)
  return { account, accounts, loading: list.isPending || (Boolean(chosen) && own.isPending), error: list.error }
}

/** WithAccount shows what is about one account, and asks for one where there are several. */
export function WithAccount({ children }: { children: (account: Account) => ReactNode }) {
  const { account, accounts, loading, error } = useAccount()
  if (error) return <ErrorView error={error} />
  if (loading) return <p>{t.loading}</p>
  if (account) return <>{children(account)}</>
  if (accounts.length === 0) return <Empty title={t.scope.noAccount}>{t.scope.noAccountBody}</Empty>
  return (
    <Empty
      title={t.scope.which}
      actions={accounts.slice(0, 20).map((a) => (
        <Button key={a.id} variant="secondary" onClick={() => choose({ account: a.id })}>
          <bdi>{a.name}</bdi>
        </Button>
      ))}
    >
      {t.scope.whichBody}
    </Empty>
  )
}
