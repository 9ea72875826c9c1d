// Signing in with a provider: a real one of OpenID Connect, a process of its own, and
// its form, as people click through it.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Page } from '@playwright/test'
import { type Controller, startController } from './controller'
import { accessible, test as base, expect } from './test'

const person = (name: string, group: string) => ({
  ID: `id-${name}`,
  Username: name,
  Password: `secret of ${name}`,
  FirstName: name,
  LastName: 'Test',
  Email: `${name}@corp.test`,
  EmailVerified: true,
  Groups: [group],
})

/** startProvider starts the provider of test/oidc, and answers its URL. */
async function startProvider(dir: string): Promise<{ provider: ChildProcess; issuer: string }> {
  const people = join(dir, 'people.json')
  writeFileSync(people, JSON.stringify({ 'id-ada': person('ada', 'cloud'), 'id-eve': person('eve', 'others') }))
  const bin = resolve(process.env.OIDC_BIN ?? '../bin/oidc')
  const provider = spawn(bin, ['--people', people], { stdio: ['ignore', 'pipe', 'ignore'] })
  const issuer = await new Promise<string>((said, failed) => {
    provider.once('error', failed)
    createInterface({ input: provider.stdout }).once('line', said)
  })
  return { provider, issuer }
}

const test = base.extend<object, { own: Controller }>({
  own: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads which fixtures are wanted from it
    async ({}, use, worker) => {
      const dir = mkdtempSync(join(tmpdir(), 'atoll-sign-in-'))
      const { provider, issuer } = await startProvider(dir)
      const secret = join(dir, 'secret')
      writeFileSync(secret, 'secret\n')
      const config = `sign-in:
  - {name: corp, label: Corporate account, issuer: "${issuer}", client-id: atoll, client-secret-file: ${secret},
     create-users: true, allow-groups: [cloud], memberships: [{group: cloud, account: default, role: reader}]}
`
      const own = await startController(`test-results/own-${worker.workerIndex}.json`, 0, config)
      await use(own)
      await own.stop()
      provider.kill('SIGTERM')
      rmSync(dir, { recursive: true })
    },
    { scope: 'worker', timeout: 60_000 },
  ],
  baseURL: async ({ own }, use) => use(own.url),
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads which fixtures are wanted from it
  storageState: async ({}, use) => use({ cookies: [], origins: [] }),
})

const fillIn = async (page: Page, name: string) => {
  await page.getByRole('link', { name: 'Sign in with Corporate account' }).click()
  await page.getByLabel('Username').fill(name)
  await page.getByLabel('Password').fill(`secret of ${name}`)
  await page.getByRole('button', { name: 'Login' }).click()
}

test('who signs in with a provider gets to the page that he asked for', async ({ page }) => {
  await page.goto('/machines?q=web')
  await expect(page).toHaveURL(/\/login\?return_to=/)
  await fillIn(page, 'ada')
  await expect(page).toHaveURL('/machines?q=web')
  await expect(page.getByRole('heading', { level: 1, name: 'Machines' })).toBeVisible()
  await page.goto('/profile')
  await expect(page.getByText('ada@corp.test').first()).toBeVisible()
})

test('whom the provider knows, but nobody let in, is told so', async ({ page }) => {
  await page.goto('/login')
  await fillIn(page, 'eve')
  await expect(page).toHaveURL(/\/login\?problem=denied/)
  const alert = page.locator('main').getByText('The provider knows you, but you may not sign in here.')
  await expect(alert).toBeVisible()
  await accessible(page)
  await page.goto('/')
  await expect(page.getByRole('button', { name: 'Sign in', exact: true })).toBeVisible()
})

test('that the provider says no is told, and the password still works', async ({ page }) => {
  await page.goto('/login?return_to=%2Fimages')
  const asked = page.waitForRequest((r) => new URL(r.url()).searchParams.has('state'))
  await page.getByRole('link', { name: 'Sign in with Corporate account' }).click()
  const state = new URL((await asked).url()).searchParams.get('state') ?? ''
  // What it sends the browser to when somebody declines; its form has no button for that.
  await page.goto(`/api/v1/login/oidc/corp/callback?error=access_denied&state=${state}`)
  await expect(page.locator('main').getByText('The provider refused the sign-in.')).toBeVisible()
  await page.getByLabel('Name').fill('admin')
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
})
