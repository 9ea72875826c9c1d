// Starts the demo of `make demo` for the tests, beside one that may run: on other ports
// and with its own folder. It is removed after them, and nothing of it may be left.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { freePort } from '../e2e/controller'

const script = resolve('../test/demo.sh')

/** demo runs test/demo.sh, shows what it says, and answers that. */
function demo(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const running = spawn(script, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  running.stdout.on('data', (text) => {
    said += text
    process.stdout.write(text)
  })
  return new Promise((done, failed) => {
    running.on('error', failed)
    running.on('close', (code, signal) =>
      code === 0 ? done(said) : failed(new Error(`test/demo.sh ${args.join(' ')} ended with ${signal ?? code}`)),
    )
  })
}

export default async function start() {
  const address = async () => `127.0.0.1:${await freePort()}`
  const env = {
    ...process.env,
    ATOLL_DEMO_BUILT: '1', // make did it
    // Not below /tmp: deployments that are processes see one of their own there.
    ATOLL_DEMO_DATA: `/var/lib/atoll-demo-${randomBytes(4).toString('hex')}`,
    ATOLL_DEMO_LISTEN: await address(),
    ATOLL_DEMO_AGENT_LISTEN: await address(),
    ATOLL_DEMO_DEPLOYMENTS_LISTEN: await address(),
    ATOLL_DEMO_SSH_PORT: String(await freePort()),
  }
  // If it does not start, or Ctrl-C ends it meanwhile, there is no teardown.
  let left = true
  process.on('exit', () => left && spawnSync(script, ['stop'], { env, stdio: 'inherit' }))
  const link = /^Portal:\s+(\S+)$/m.exec(await demo(env))?.[1]
  if (!link) throw new Error('the demo does not say how to sign in')
  process.env.DEMO_LINK = link
  process.env.PORTAL_URL = new URL(link).origin
  return async () => {
    left = false
    await demo(env, 'stop')
  }
}
