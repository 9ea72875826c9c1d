// The account that a page and its tabs are about.
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useParams } from 'react-router'
import { api } from '@/api/client'
import { queries } from '@/api/queries'

const accountQuery = (account: string) =>
  api.queryOptions('get', '/api/v1/accounts/{account}', { params: { path: { account } } })

/** loadAccount reads the account of the address; one that is not there is the page “not found”. */
export const loadAccount = ({ params }: LoaderFunctionArgs) =>
  queries.ensureQueryData(accountQuery(params.account ?? ''))

/** useAccountQuery is the account as it was seen last, and the error of the last reading. */
export const useAccountQuery = () => useSuspenseQuery(accountQuery(useParams().account ?? ''))
