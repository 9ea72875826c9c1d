// Starts the demo of `make demo` for the tests, beside one that may run: on other ports
// and with its own folder. It is removed after them, and nothing of it may be left.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { freePort } from '../e2e/controller'

/** demo runs test/demo.sh, shows what it says, and answers that. */
function demo(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const script = spawn(resolve('../test/demo.sh'), args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  script.stdout.on('data', (text) => {
    said += text
    process.stdout.write(text)
  })
  return new Promise((done, failed) => {
    script.on('error', failed)
    script.on('close', (code, signal) =>
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
  const stop = async () => void (await demo(env, 'stop'))
  try {
    const link = /^Portal:\s+(\S+)$/m.exec(await demo(env))?.[1]
    if (!link) throw new Error('the demo does not say how to sign in')
    process.env.DEMO_LINK = link
    process.env.PORTAL_URL = new URL(link).origin
  } catch (e) {
    await stop().catch(console.error)
    throw e
  }
  return stop
}
