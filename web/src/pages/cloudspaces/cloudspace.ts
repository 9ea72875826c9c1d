// The cloudspace that a page and its tabs are about.
import { useSuspenseQuery } from '@tanstack/react-query'
import { type LoaderFunctionArgs, useParams } from 'react-router'
import { api } from '@/api/client'
import { queries } from '@/api/queries'

const cloudspaceQuery = (cloudspace: string) =>
  api.queryOptions('get', '/api/v1/cloudspaces/{cloudspace}', { params: { path: { cloudspace } } })

/** loadCloudspace reads the cloudspace of the address; one that is not there is the page “not found”. */
export const loadCloudspace = ({ params }: LoaderFunctionArgs) =>
  queries.ensureQueryData(cloudspaceQuery(params.cloudspace ?? ''))

/** useCloudspaceQuery is the cloudspace as it was seen last, and the error of the last reading. */
export const useCloudspaceQuery = () => useSuspenseQuery(cloudspaceQuery(useParams().cloudspace ?? ''))

/** useCloudspace is the cloudspace of the page’s address. */
export const useCloudspace = () => useCloudspaceQuery().data
