// Scripts as pages read them. An id names one revision, whether it is the current one or not.
import { queryOptions } from '@tanstack/react-query'
import { ApiError, api, client, csrfHeader, readProblem, type Schemas } from '@/api/client'

export const scriptQuery = (script: string) =>
  api.queryOptions('get', '/api/v1/scripts/{script}', { params: { path: { script } } })

/** revisionsQuery are all revisions of a script, the newest first. */
export const revisionsQuery = (script: string) =>
  api.queryOptions('get', '/api/v1/scripts/{script}/revisions', { params: { path: { script } } })

/** sourceQuery is the text of a revision. */
export const sourceQuery = (script: string) => {
  const init = { params: { path: { script } } }
  return queryOptions({
    queryKey: ['get', '/api/v1/scripts/{script}/source', init],
    queryFn: async ({ signal }) =>
      (await client.GET('/api/v1/scripts/{script}/source', { ...init, signal, parseAs: 'text' })).data ?? '',
  })
}

/** upload sends a script's text, which is no JSON. */
export async function upload(name: string, text: string, key: string): Promise<Schemas['Script']> {
  const answer = await fetch(`/api/v1/scripts?name=${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: { ...csrfHeader(), 'Content-Type': 'application/octet-stream', 'Idempotency-Key': key },
    body: text,
  })
  if (!answer.ok) throw new ApiError(await readProblem(answer))
  return answer.json()
}
