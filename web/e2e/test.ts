// What all tests of the portal share: a page that fails on errors of scripts, calls
// of the real API to prepare what a test needs, and the check for accessibility.
import { join } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import { type APIRequestContext, test as base, expect, type Page } from '@playwright/test'
import { type Controller, password, startController } from './controller'

export { expect, password }

/** picture writes what the page shows for people to look at: into web/screens, or the folder SCREENS. */
export const picture = async (page: Page, name: string) => {
  await page.waitForLoadState('networkidle')
  await page.screenshot({ path: join(process.env.SCREENS ?? 'screens', `portal-${name}.png`) })
}

let n = 0

/** unique is a name that no other test has. */
export const unique = (prefix: string) => `${prefix}-${process.pid.toString(36)}${(n++).toString(36)}`

/** Api calls the REST API as the administrator, waits for what it starts, and fails on refusals. */
export class Api {
  constructor(
    private request: APIRequestContext,
    private token = process.env.PORTAL_TOKEN,
  ) {}

  async call<T = Record<string, unknown>>(method: string, path: string, data?: unknown, wait = 60): Promise<T> {
    const answer = await this.request.fetch(`/api/v1${path}`, {
      method,
      data,
      headers: { Authorization: `Bearer ${this.token}`, Prefer: `wait=${wait}` },
    })
    if (!answer.ok()) throw new Error(`${method} ${path}: ${answer.status()} ${await answer.text()}`)
    const text = await answer.text()
    return text ? JSON.parse(text) : ({} as T)
  }

  /** upload sends a file as it is. */
  async upload<T>(path: string, data: Buffer): Promise<T> {
    const answer = await this.request.post(`/api/v1${path}`, {
      data,
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/octet-stream' },
    })
    if (!answer.ok()) throw new Error(`POST ${path}: ${answer.status()} ${await answer.text()}`)
    return answer.json()
  }

  /** find is the first object of a list that passes the filter. */
  async find(list: string, filter: string) {
    const { items } = await this.call<{ items: { id: string }[] }>('GET', `${list}?filter=${filter}&limit=1`)
    return items[0]?.id ?? ''
  }

  /** account is a new account with a cloudspace. */
  async account() {
    const account = await this.call<{ id: string; name: string }>('POST', '/accounts', { name: unique('acme') })
    // The first location: another test may have made a second one.
    const { items } = await this.call<{ items: { id: string }[] }>('GET', '/locations?limit=1')
    const cloudspace = await this.call<{ id: string; name: string }>('POST', '/cloudspaces', {
      account: account.id,
      location: items[0]?.id,
      name: 'prod',
    })
    return { account, cloudspace }
  }

  /** user is a new user with the test password and a role on an account. */
  async user(role?: { account: string; role: string }, installation?: string) {
    const user = await this.call<{ id: string; name: string }>('POST', '/users', {
      name: unique('user'),
      password,
      role: installation,
    })
    if (role) await this.call('POST', '/memberships', { user: user.id, ...role })
    return user
  }
}

export const test = base.extend<{ api: Api; signIn: (name: string) => Promise<void> }>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads which fixtures are wanted from it
  baseURL: async ({}, use) => use(process.env.PORTAL_URL),
  api: async ({ playwright, baseURL }, use) => {
    const context = await playwright.request.newContext({ baseURL, storageState: undefined })
    await use(new Api(context))
    await context.dispose()
  },
  signIn: async ({ page, context }, use) => {
    await use(async (name) => {
      await context.clearCookies()
      await page.goto('/login')
      await page.getByLabel('Name').fill(name)
      await page.getByLabel('Password').fill(password)
      await page.getByRole('button', { name: 'Sign in' }).click()
      await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
    })
  },
  page: async ({ page }, use) => {
    const errors: string[] = []
    page.on('pageerror', (e) => errors.push(String(e)))
    page.on('console', (m) => {
      // The browser itself writes each answered 4xx and lost connection here; tests look at what people see.
      const own = /^(Failed to load resource|WebSocket connection to)/
      if (m.type() === 'error' && !own.test(m.text())) errors.push(m.text())
    })
    await use(page)
    expect(errors, 'errors in the browser').toEqual([])
  },
})

/** testWith is a test with a controller of its own, for what would disturb other tests; sim is how many nodes it has, flags are more of `atoll up`. */
export const testWith = (sim: number, prepare = async (_: Api, _own: Controller) => {}, ...flags: string[]) =>
  test.extend<object, { own: Controller }>({
    own: [
      async ({ playwright }, use, worker) => {
        const own = await startController(`test-results/own-${worker.workerIndex}.json`, sim, '', flags)
        try {
          const request = await playwright.request.newContext({ baseURL: own.url })
          await prepare(new Api(request, own.token), own)
          await request.dispose()
          await use(own)
        } finally {
          await own.stop()
        }
      },
      { scope: 'worker', timeout: 300_000 },
    ],
    baseURL: async ({ own }, use) => use(own.url),
    storageState: async ({ own }, use) => use(own.session),
    api: async ({ own, playwright }, use) => {
      const request = await playwright.request.newContext({ baseURL: own.url })
      await use(new Api(request, own.token))
      await request.dispose()
    },
  })

/** findings are the serious and critical ones of axe; of the rules alone, if there are some. */
export async function findings(page: Page, ...rules: string[]) {
  // No page has frames of other sites: axe needs no second page to put their findings together.
  const axe = new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ['violations'] })
  const found = await (rules.length ? axe.withRules(rules) : axe).analyze()
  const serious = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
  return serious.map((v) => `${v.id}: ${v.nodes.map((x) => x.target.join(' ')).join(', ')}`)
}

/** accessible fails on serious and critical findings of axe. */
export async function accessible(page: Page) {
  expect(await findings(page)).toEqual([])
}
