import { api } from '@/api/client'

/** projectQuery is one project by its id. */
export const projectQuery = (id: string) =>
  api.queryOptions('get', '/api/v1/projects/{project}', { params: { path: { project: id } } })
