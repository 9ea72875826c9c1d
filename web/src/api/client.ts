// The portal's only way to the server: the public REST API, with types made from
// its description. A call either gives data or throws an ApiError.
import createFetchClient, { type Middleware } from 'openapi-fetch'
import createQueries from 'openapi-react-query'
import { t } from '@/text'
import type { components, paths } from './schema'

export type Schemas = components['schemas']
export type Problem = Schemas['Problem']

/** ApiError is a refusal: the problem says what failed, on which field, and the way out. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title)
  }
}

/** isGone reports whether an object is not there any more, or may not be seen. */
export const isGone = (e: unknown) => e instanceof ApiError && e.problem.status === 404

/** Unreachable is a call that got no answer: the controller restarts, or the network is away. */
export class Unreachable extends Error {
  constructor() {
    super(t.error.unreachable)
  }
}

// The session's token against forged requests; GET /me tells it.
let csrf = ''
export const setCSRF = (token: string) => {
  csrf = token
}

// What is done when a call is answered with 401: the session is over.
let onSignedOut = () => {}
export const setOnSignedOut = (fn: () => void) => {
  onSignedOut = fn
}

const rules: Middleware = {
  onRequest({ request }) {
    if (request.method !== 'GET') request.headers.set('X-CSRF-Token', csrf)
    return request
  },
  async onResponse({ response, schemaPath }) {
    if (response.ok) return
    const problem = await readProblem(response)
    if (response.status === 401 && !schemaPath.startsWith('/api/v1/login')) onSignedOut()
    throw new ApiError(problem)
  },
  onError({ error }) {
    return error instanceof TypeError ? new Unreachable() : (error as Error)
  },
}

/** readProblem is the problem of an answer, also of one that a proxy made. */
export async function readProblem(response: Response): Promise<Problem> {
  const title = response.statusText || t.error.status(response.status)
  try {
    const body = await response.json()
    if (typeof body?.code === 'string') return body
  } catch {
    // not JSON: what stands between us and the controller wrote it
  }
  return { status: response.status, code: response.status === 401 ? 'unauthenticated' : 'unavailable', title }
}

export const client = createFetchClient<paths>({ baseUrl: '/' })
client.use(rules)

/** api makes queries and mutations of the calls: api.queryOptions('get', '/api/v1/machines', …). */
export const api = createQueries(client)

/** ifMatch names the version that a change was made from, so that nobody's newer one is lost; 0 is what was never saved. */
export const ifMatch = (version: number) => (version > 0 ? { 'If-Match': `"${version}"` } : {})

/** csrfHeader is for the few calls that are made without the client: uploads and streams. */
export const csrfHeader = () => ({ 'X-CSRF-Token': csrf })
