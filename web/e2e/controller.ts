// Starts a real controller with simulated nodes for all tests, and ends it after them.
// ATOLL_BIN is the program; without it, bin/atoll of `make build`.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { request } from '@playwright/test'

/** password of the users that tests make */
export const password = 'correct horse battery'

/** freePort is a port of 127.0.0.1 that nobody has now. */
export const freePort = () =>
  new Promise<number>((done, failed) => {
    const s = createServer()
    s.on('error', failed)
    s.listen(0, '127.0.0.1', () => {
      const { port } = s.address() as { port: number }
      s.close(() => done(port))
    })
  })

async function until<T>(what: string, ask: () => Promise<T | undefined>, ms = 60_000): Promise<T> {
  const end = Date.now() + ms
  for (;;) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`${what}: not within ${ms / 1000} s`)
    await new Promise((r) => setTimeout(r, 50))
  }
}

// Deployments that are processes outlive the controller; those of tests that failed are ended here.
async function endProcesses(url: string, token: string) {
  const headers = { Authorization: `Bearer ${token}`, Prefer: 'wait=30' }
  const get = async (path: string) => (await (await fetch(`${url}/api/v1${path}`, { headers })).json()).items ?? []
  const nodes: { id: string; simulated: boolean }[] = await get('/nodes?limit=100')
  const real = nodes.filter((n) => !n.simulated).map((n) => n.id)
  const deployments: { id: string; runner_id?: string }[] = await get('/deployments?limit=500&sort=-created_at')
  for (const d of deployments.filter((d) => d.runner_id && real.includes(d.runner_id)))
    await fetch(`${url}/api/v1/deployments/${d.id}`, { method: 'DELETE', headers })
}

/** Controller is one that runs, with the administrator's session. */
export type Controller = {
  url: string
  /** where agents reach it */
  agents: string
  token: string
  data: string
  /** file with the administrator's cookies, for storageState */
  session: string
  /** restart ends it and starts it again on the same data and address */
  restart: () => Promise<void>
  /** halt ends it; resume starts it again */
  halt: () => Promise<void>
  resume: () => Promise<void>
  /** stop ends it and removes its data */
  stop: () => Promise<void>
}

/**
 * startController starts a controller of its own. session is where the cookies go. It has
 * simulated nodes, and more flags if they are given, or with lines of a configuration
 * file none of both.
 */
export async function startController(
  session: string,
  sim = 20,
  config = '',
  flags: string[] = [],
): Promise<Controller> {
  const bin = resolve(process.env.ATOLL_BIN ?? '../bin/atoll')
  // Deployments that are processes do not see /tmp, and only root starts them.
  const data = mkdtempSync(join(process.getuid?.() === 0 ? '/var/lib' : tmpdir(), 'atoll-portal-'))
  const [people, agents, deployments] = [await freePort(), await freePort(), await freePort()]
  const url = `http://127.0.0.1:${people}`
  const log = openSync(join(data, 'log'), 'w')
  const file = join(data, 'server.yaml')
  writeFileSync(file, `data: ${data}\nlisten: 127.0.0.1:${people}\nagent-listen: 127.0.0.1:${agents}\n${config}`)
  const up = ['up', '--data', data, '--sim', String(sim), '--no-machines', '--listen', `127.0.0.1:${people}`]
    .concat('--agent-listen', `127.0.0.1:${agents}`)
    .concat('--deployments-listen', `127.0.0.1:${deployments}`, ...flags)
  let controller: ChildProcess | undefined
  let token = ''
  const halt = async () => {
    const old = controller
    if (!old || old.exitCode !== null) return
    const exited = new Promise<void>((done) => old.once('exit', () => done()))
    old.kill('SIGTERM')
    await exited
  }
  const resume = async () => {
    controller = spawn(bin, config ? ['server', '--config', file] : up, { stdio: ['ignore', log, log] })
    await until('the controller', async () => {
      if (controller?.exitCode !== null) throw new Error(readFileSync(join(data, 'log'), 'utf8'))
      return (await fetch(`${url}/readyz`)).ok ? true : undefined
    })
  }
  const stop = async () => {
    if (token) await endProcesses(url, token).catch(console.error)
    await halt()
    rmSync(data, { recursive: true, force: true })
  }
  const restart = async () => {
    await halt()
    await resume()
  }
  try {
    await resume()
    token = await until('the token', async () =>
      existsSync(join(data, 'admin.token')) ? readFileSync(join(data, 'admin.token'), 'utf8').trim() : undefined,
    )
    const api = await request.newContext({ baseURL: url })
    const link = await api.post('/api/v1/users/admin/setup-link', { headers: { Authorization: `Bearer ${token}` } })
    const { setup_secret: secret } = await link.json()
    const signedIn = await api.post('/api/v1/setup', { data: { secret, password } })
    if (!signedIn.ok()) throw new Error(await signedIn.text())
    await api.storageState({ path: session })
    await api.dispose()
    return { url, agents: `https://127.0.0.1:${agents}`, token, data, session, restart, halt, resume, stop }
  } catch (e) {
    await stop()
    throw e
  }
}

export default async function start() {
  const c = await startController('test-results/admin.json')
  process.env.PORTAL_URL = c.url
  process.env.PORTAL_AGENTS = c.agents
  process.env.PORTAL_TOKEN = c.token
  process.env.PORTAL_DATA = c.data
  return c.stop
}
