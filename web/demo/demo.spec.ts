// A new user's first hour, in the browser alone: one part after the other, each in the
// session of the first. What the portal tells to do elsewhere, ssh, is really done.
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Page } from '@playwright/test'
import { freePort } from '../e2e/controller'
import { expect, password, picture, test } from '../e2e/test'

const nodes = 101 // this host and 100 simulated ones

const head = (page: Page) => page.getByRole('main').getByRole('heading', { level: 1 }).locator('..')

/** visit goes where a new user does: by the navigation on the left. */
async function visit(page: Page, title: string) {
  if (!page.url().startsWith('http')) await page.goto('/')
  await page.getByRole('navigation').getByRole('link', { name: title, exact: true }).click()
  await expect(page.getByRole('heading', { level: 1, name: title })).toBeVisible()
}

/** site is what a deployment answers: its link opens a tab. */
async function site(page: Page): Promise<string> {
  const opened = page.waitForEvent('popup')
  await page.getByRole('link', { name: 'app (opens a new tab)' }).click()
  const tab = await opened
  const text = await tab.locator('body').textContent()
  await tab.close()
  return text ?? ''
}

test.describe('begin', () => {
  test.use({ storageState: { cookies: [], origins: [] } })

  test('the link of `make demo` sets the password, with which one signs in', async ({ page, signIn }) => {
    await page.goto(process.env.DEMO_LINK ?? '')
    await page.getByRole('textbox', { name: 'Password', exact: true }).fill(password)
    await page.getByLabel('Password again').fill(password)
    await page.getByRole('button', { name: 'Save' }).click()
    await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
    await signIn('admin')
    await page.context().storageState({ path: 'test-results/user.json' })
  })
})

test('the real machine runs: its console answers, and its screen shows something', async ({ page }) => {
  await visit(page, 'Machines')
  await expect(page.getByRole('row').filter({ hasText: 'demo' })).toContainText('Running')
  await page.getByRole('link', { name: 'demo', exact: true }).click()
  await page.getByRole('link', { name: 'Console' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'Connected' })).toBeVisible()
  await page.keyboard.type('uname -a\n')
  await expect(page.locator('.xterm-rows')).toContainText(/Linux demo \d+\.\d+/)
  await picture(page, 'console')

  await page.getByRole('link', { name: 'Screen' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'Connected' })).toBeVisible()
  const colours = () =>
    page.locator('.atoll-screen canvas').evaluate((canvas: HTMLCanvasElement) => {
      const { width, height } = canvas
      const points = canvas.getContext('2d')?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray()
      return new Set(new Uint32Array(points.buffer)).size
    })
  await expect.poll(colours, { message: 'colours on the screen' }).toBeGreaterThan(1)
})

test('a second machine is made, and reached with ssh by the command that the portal shows', async ({ page }) => {
  const dir = mkdtempSync(join(tmpdir(), 'atoll-demo-'))
  try {
    const key = join(dir, 'key')
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'new user', '-f', key])
    await visit(page, 'Machines')
    await page.getByRole('link', { name: 'Create a machine' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('second')
    await page.getByRole('radio', { name: 'mini' }).check({ force: true })
    await page.getByRole('radio', { name: 'tiny' }).check({ force: true })
    await page.getByLabel('Another public key').fill(readFileSync(`${key}.pub`, 'utf8'))
    await page.getByRole('button', { name: 'Create a machine' }).click()
    await expect(page.getByRole('heading', { level: 1, name: 'second' })).toBeVisible()
    await expect(head(page).getByText('Running')).toBeVisible()

    await page.getByRole('link', { name: 'Port forwards' }).last().click()
    await page.getByRole('button', { name: 'Create a port forward' }).click()
    await page
      .getByRole('dialog')
      .getByLabel('Public port')
      .fill(String(await freePort()))
    await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click()
    const shown = await page.getByText(/^ssh -p \d+ /).textContent()
    const [program = '', ...args] = shown?.split(' ') ?? []
    expect(program).toBe('ssh')

    // Whom it is, and no questions: what a person types or answers.
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', `UserKnownHostsFile=${dir}/known`, 'ConnectTimeout=5']
    const ssh = ['-i', key, ...options.flatMap((o) => ['-o', o]), ...args, 'uname -n']
    await expect(async () => {
      expect((await promisify(execFile)(program, ssh)).stdout).toBe('second\n')
    }, 'ssh').toPass({ timeout: 120_000 })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('a deployment of the example project is made, edited, read about, archived and restored', async ({ page }) => {
  // The program is in the project already: the value is that of the deployment which is there.
  await visit(page, 'Deployments')
  await page.getByRole('link', { name: 'demo', exact: true }).click()
  await page.getByRole('tab', { name: 'Configuration' }).click()
  const [archive = ''] = (await page.getByText(/^atoll:[0-9a-f]{64}/).textContent())?.split(' ') ?? []

  await visit(page, 'Deployments')
  await page.getByRole('link', { name: 'New deployment' }).first().click()
  await page.getByLabel('Name').fill('mine')
  const add = async (group: string, key: string, value: string) => {
    const config = page.getByRole('group', { name: group })
    await config.getByRole('button', { name: 'Add a value' }).click()
    await config.getByRole('combobox', { name: 'Key' }).last().fill(key)
    await config.getByLabel(`Value of ${key}`, { exact: true }).fill(value)
  }
  await add('Deployment configuration', 'archive', archive)
  await add('Deployment configuration', 'command', './hello')
  await add('Deployment configuration', 'health', '/health')
  await add('Application configuration', 'greeting', 'Good day')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'mine' })).toBeVisible()
  await expect(head(page).getByText('Running')).toBeVisible()
  expect(await site(page)).toContain('Good day from mine, now version 2, visit 1')

  await page.getByRole('button', { name: 'Edit' }).click()
  await page.getByLabel('Value of greeting').fill('Good evening')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('tab', { name: 'History' }).click()
  const changed = page.getByRole('grid', { name: 'History' }).getByRole('row').filter({ hasText: 'Changed' })
  await expect(changed).toContainText('Succeeded')
  await changed.getByRole('button', { name: 'Details' }).click()
  await expect(page.getByRole('log', { name: 'Output of update' })).toContainText('healthy after')
  await page.getByRole('tab', { name: 'Overview' }).click()
  expect(await site(page)).toContain('Good evening from mine, now version 2')

  await page.getByRole('button', { name: 'Archive', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Archive' }).click()
  await expect(head(page).getByText('Archived')).toBeVisible()
  await page.getByRole('button', { name: 'Restore' }).click()
  await expect(head(page).getByText('Running')).toBeVisible()
  expect(await site(page)).toContain('Good evening from mine, now version 2') // its values were kept
})

test('a command runs on all nodes', async ({ page }) => {
  await visit(page, 'Run on nodes')
  await page.getByRole('textbox', { name: 'Command' }).fill('uname -a')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page).toHaveURL(/\/operations\//)
  await expect(head(page).getByText('Succeeded')).toBeVisible()
  const rows = page.getByRole('grid', { name: 'Jobs' }).getByRole('row').filter({ hasText: 'Succeeded' })
  await expect(rows.filter({ hasText: 'Linux' })).toHaveCount(100)
  await page.getByRole('button', { name: 'Next page' }).click()
  await expect(rows.filter({ hasText: 'Linux' })).toHaveCount(nodes - 100)
})

test('the audit log says who did all that', async ({ page }) => {
  await visit(page, 'Audit log')
  await page.getByLabel('Who').fill('admin')
  const rows = page.getByRole('grid', { name: 'Audit log' }).getByRole('row')
  for (const [action, subject] of [
    ['machine.create', 'second'],
    ['port-forward.create', ''],
    ['deployment.create', 'mine'],
    ['deployment.update', 'mine'],
    ['deployment.archive', 'mine'],
    ['deployment.restore', 'mine'],
    ['run', 'uname -a'],
  ] as const) {
    await page.getByLabel('Action', { exact: true }).fill(action)
    await expect(rows.filter({ hasText: action }).filter({ hasText: subject }).first()).toContainText('admin')
  }
})
