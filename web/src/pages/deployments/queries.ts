import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { api, client } from '@/api/client'
import type { Override } from './config'

/** deploymentQuery is one deployment by its id. */
export const deploymentQuery = (id: string) =>
  api.queryOptions('get', '/api/v1/deployments/{deployment}', { params: { path: { deployment: id } } })

/** operationQuery is one operation by its id. */
export const operationQuery = (id: string) =>
  api.queryOptions('get', '/api/v1/operations/{operation}', { params: { path: { operation: id } } })

/**
 * useDefaults is what the project's scripts say of the configuration. The defaults of
 * the application depend on the deployment's overrides (ask, as JSON), so that they are
 * asked again with them. The key is one of the feed: when the project changes, or its
 * scripts do, it is read anew.
 */
export function useDefaults(project: string, ask: string) {
  const deployment: Override[] = JSON.parse(ask)
  return useQuery({
    queryKey: ['get', '/api/v1/projects/{project}/defaults', { params: { path: { project } }, deployment }],
    queryFn: async () => {
      const { data } = await client.POST('/api/v1/projects/{project}/defaults', {
        params: { path: { project } },
        body: { deployment },
      })
      return data
    },
    placeholderData: keepPreviousData,
    retry: false,
  })
}
