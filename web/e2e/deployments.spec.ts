import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import { type Api, accessible, expect, test, unique } from './test'

type Named = { id: string; name: string }
type Deployment = Named & { version: number; state: string }

/** project is a new project of an account, whose deployments are processes. */
async function project(api: Api, account: Named, more: object = {}) {
  const p = await api.call<Named>('POST', '/projects', {
    account: account.id,
    name: unique('shop'),
    base_domain: 'localhost',
    ...more,
  })
  await api.call('POST', '/bundles', { project: p.id, kind: 'builtin:process', use: true })
  return p
}

/** simulated is a project whose scripts run on a simulated node: they do nothing, and that at once. */
async function simulated(api: Api, account: Named) {
  const { items } = await api.call<{ items: Named[] }>('GET', '/nodes?filter=name=sim-1')
  const node = items[0]
  if (!node) throw new Error('there is no node sim-1')
  await api.call('PATCH', `/nodes/${node.id}`, { labels: { scripts: 'sim' } })
  return project(api, account, { labels: { scripts: 'sim' } })
}

/** program uploads the example application and answers the value of the key archive. */
async function program(api: Api, p: Named, version: 1 | 2) {
  const file = join(mkdtempSync(join(tmpdir(), 'atoll-hello-')), 'hello.tar.gz')
  execFileSync('tar', ['-czf', file, '-C', `../examples/hello/${version}`, '.'])
  const b = await api.upload<{ sha256: string }>(`/bundles:upload?project=${p.id}&kind=files`, readFileSync(file))
  return `atoll:${b.sha256}`
}

/** deployment is a new deployment that is up. */
async function deployment(api: Api, p: Named, body: object = {}) {
  const name = unique('d')
  const o = await api.call<{ subject_id: string }>('POST', '/deployments', { project: p.id, name, ...body })
  return api.call<Deployment>('GET', `/deployments/${o.subject_id}`)
}

const add = async (page: Page, group: string, key: string, value: string) => {
  const config = page.getByRole('group', { name: group })
  await config.getByRole('button', { name: 'Add a value' }).click()
  await config.getByRole('combobox', { name: 'Key' }).last().fill(key)
  await config.getByLabel(`Value of ${key}`, { exact: true }).fill(value)
}

const state = (page: Page, word: string) =>
  expect(page.locator('main').getByText(word, { exact: true }).first()).toBeVisible({ timeout: 40_000 })

test('a deployment is made, opened, changed, archived, restored and deleted', async ({ page, api, signIn }) => {
  test.setTimeout(120_000)
  const { account } = await api.account()
  const p = await project(api, account)
  const archive = await program(api, p, 1)
  const user = await api.user({ account: account.id, role: 'writer' })
  await signIn(user.name)

  await page.goto('/deployments')
  await page.getByRole('link', { name: 'New deployment' }).first().click()
  const name = unique('orange')
  await page.getByLabel('Name').fill(`Feature/${name}`)
  await page.getByRole('button', { name: `Use feature-${name}` }).click()
  await expect(page.getByText(`Its address will be feature-${name}.localhost`)).toBeVisible()
  await add(page, 'Deployment configuration', 'archive', archive)
  await add(page, 'Deployment configuration', 'command', './hello')
  await add(page, 'Application configuration', 'greeting', 'Good day')
  await page.getByRole('button', { name: 'The same by command line or API' }).click()
  await expect(page.getByText(`atoll deployment create feature-${name} --project ${p.name}`)).toBeVisible()
  await page.getByRole('button', { name: 'Check first' }).click()
  await expect(page.getByRole('dialog')).toContainText('wait for check')
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
  await accessible(page)
  await page.getByRole('button', { name: 'Create', exact: true }).click()

  await expect(page.getByRole('heading', { level: 1, name: `feature-${name}` })).toBeVisible()
  await state(page, 'Running')
  const opened = page.waitForEvent('popup')
  await page.getByRole('link', { name: 'app (opens a new tab)' }).click()
  const site = await opened
  await expect(site.locator('body')).toContainText(`Good day from feature-${name}, version 1`)
  await site.close()

  await page.getByRole('button', { name: 'Edit' }).click()
  await page.getByLabel('Value of greeting').fill('Hello again')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('heading', { level: 1, name: `feature-${name}` })).toBeVisible()
  await page.getByRole('tab', { name: 'History' }).click()
  const log = page.getByRole('grid', { name: 'History' })
  const changed = log.getByRole('row').filter({ hasText: 'Changed' })
  await expect(changed).toContainText('Succeeded', { timeout: 30_000 })
  await changed.getByRole('button', { name: 'Details' }).click()
  await expect(page.getByRole('log', { name: 'Output of update' })).toContainText('healthy after')
  await expect(log).toContainText('Good day → Hello again')

  await page.getByRole('button', { name: 'Archive', exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Archive' }).click()
  await page.getByRole('tab', { name: 'Overview' }).click()
  await state(page, 'Archived')
  await page.getByRole('button', { name: 'Restore' }).click()
  await state(page, 'Running')

  await page.getByRole('button', { name: `Actions of feature-${name}` }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByLabel(`Type feature-${name} to confirm`).fill(`feature-${name}`)
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText('There is nothing here')).toBeVisible({ timeout: 40_000 })
})

test('the output of a script tells standard error apart', async ({ page, api }) => {
  const { account } = await api.account()
  const p = await simulated(api, account)
  const d = await deployment(api, p, {
    deployment: [
      { key: 'sim.create.stdout', value: 'made it' },
      { key: 'sim.create.stderr', value: 'but slowly' },
    ],
  })
  await page.goto(`/deployments/${d.id}`)
  await page.getByRole('tab', { name: 'History' }).click()
  const created = page.getByRole('grid', { name: 'History' }).getByRole('row').filter({ hasText: 'Created' })
  await created.getByRole('button', { name: 'Details' }).click()
  const log = page.getByRole('log', { name: 'Output of create' })
  await expect(log.getByText('made it')).toHaveText('made it')
  await expect(log.getByText('but slowly')).toHaveText('standard error: but slowly')
  await expect(log.getByText('but slowly')).toHaveClass('atoll-log-stderr')
  await accessible(page)
})

test('a configuration that the project refuses shows what its check says', async ({ page, api }) => {
  const { account } = await api.account()
  const p = await project(api, account)
  await page.goto(`/deployments/new?project=${p.id}`)
  await page.getByLabel('Name').fill(unique('refused'))
  await add(page, 'Deployment configuration', 'restart', 'sometimes')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  const alert = page.getByRole('alert').filter({ hasText: 'The project’s check refuses this configuration' })
  await expect(alert.locator('pre')).toContainText('command')
  await expect(page.getByLabel('Value of restart').first()).toHaveValue('sometimes')
})

test('two people who change a deployment see both versions, and nothing is lost', async ({ page, api }) => {
  const { account } = await api.account()
  const p = await simulated(api, account)
  const d = await deployment(api, p, { application: [{ key: 'image.tag', value: 'v1' }] })
  await page.goto(`/deployments/${d.id}/edit`)
  await page.getByLabel('Value of image.tag').fill('mine')
  await page.getByLabel('Comment').fill('my comment')
  await api.call('PATCH', `/deployments/${d.id}`, {
    application: { set: [{ key: 'image.tag', value: 'theirs' }] },
    comment: 'their comment',
  })
  await page.getByRole('button', { name: 'Save' }).click()
  const conflict = page.getByRole('alert').filter({ hasText: 'Somebody else changed this meanwhile' })
  await expect(conflict.getByRole('row').filter({ hasText: 'Comment' })).toContainText('their comment')
  await expect(conflict.getByRole('row').filter({ hasText: 'image.tag: theirs' })).toContainText('image.tag: mine')
  await accessible(page)
  await conflict.getByRole('button', { name: 'Save mine' }).click()
  await expect(page.getByRole('heading', { level: 1, name: d.name, exact: true })).toBeVisible()
  await expect(page.getByText('my comment')).toBeVisible()
})

test('what is changed elsewhere is seen, and readers are told what they may not', async ({ page, api, signIn }) => {
  const { account } = await api.account()
  const p = await simulated(api, account)
  const d = await deployment(api, p)
  const user = await api.user({ account: account.id, role: 'reader' })
  await signIn(user.name)
  await page.goto('/deployments')
  const row = page.getByRole('row').filter({ hasText: d.name })
  await expect(row).toContainText('Running')
  await row.getByRole('button', { name: `Actions of ${d.name}` }).click()
  await expect(page.getByRole('menuitem', { name: /Edit/ })).toContainText('You may only look')
  await page.keyboard.press('Escape')
  await accessible(page)
  await api.call('POST', `/deployments/${d.id}/archive`)
  await expect(page.getByRole('heading', { name: 'No deployment is up' })).toBeVisible()
  await page.getByRole('button', { name: 'Show archived deployments' }).click()
  await expect(page.getByRole('row').filter({ hasText: d.name })).toContainText('Archived')
})

test('markup, long and right-to-left text in every value is text', async ({ page, api }) => {
  const evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
  const { account } = await api.account()
  const p = await simulated(api, account)
  const d = await deployment(api, p, {
    application: [
      { key: evil.replaceAll('=', ''), value: evil },
      { key: 'long', value: 'x'.repeat(3000) },
    ],
    deployment: [
      { key: 'שלום', value: '\u202eevil' },
      { key: 'sim.info.stdout', value: `"${evil.replaceAll('"', '""')}",javascript:alert(1)\n` },
    ],
    labels: { note: 'plain' },
    comment: evil,
  })
  for (const path of [`/deployments?q=${d.name}`, `/deployments/${d.id}`, `/deployments/${d.id}?tab=configuration`]) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    await expect(page.locator('main').getByText(d.name).first()).toBeVisible()
    await expect(page.locator('main img, main script')).toHaveCount(0)
    expect(await page.locator('a[href^="javascript"]').count()).toBe(0)
  }
  await page.goto(`/deployments/${d.id}/edit`)
  await expect(page.getByLabel('Value of long')).toHaveValue('x'.repeat(3000))
  await expect(page).toHaveTitle(/Edit/)
})

test('a thousand deployments are paged, and found by a word', async ({ page, api }) => {
  test.setTimeout(120_000)
  const { account } = await api.account()
  const p = await simulated(api, account)
  const now = new Date().toISOString()
  const times = { created_at: now, updated_at: now, status_at: now }
  const deployments = Array.from({ length: 1000 }, (_, i) => ({ name: `copy-${i}`, status: 'Running', ...times }))
  for (let i = 0; i < 1000; i += 100)
    await api.call('POST', `/projects/${p.id}/import`, { deployments: deployments.slice(i, i + 100) })
  await page.goto(`/deployments?project=${p.id}&sort=name`)
  const rows = page.getByRole('grid', { name: 'Deployments', exact: true }).getByRole('row')
  await expect(rows).toHaveCount(26)
  await page.getByRole('button', { name: 'Next page' }).click()
  await expect(page.getByText('Page 2')).toBeVisible()
  await page.getByLabel('Search by').fill('copy-777')
  await expect(rows.nth(1)).toContainText('copy-777')
})

test('what a search found is marked, wherever it is', async ({ page, api }) => {
  const { account } = await api.account()
  const p = await simulated(api, account)
  const d = await deployment(api, p, {
    comment: 'asked for by the colleagues of the fruit department, for oranges',
    labels: { fruit: 'orange' },
    application: [
      { key: 'a', value: '1' },
      { key: 'b', value: '2' },
      { key: 'note', value: 'a long value, at whose end is an orange' },
      { key: 'orange.tag', value: '3' },
    ],
  })
  await deployment(api, p, { comment: 'apples' })
  await page.goto(`/deployments?project=${p.id}`)
  await page.getByLabel('Search by').fill('orange')
  const rows = page.getByRole('grid', { name: 'Deployments', exact: true }).getByRole('row')
  await expect(rows).toHaveCount(2)
  const row = rows.filter({ hasText: d.name })
  await expect(row.locator('mark')).toHaveText(['orange', 'orange', 'orange', 'orange'])
  await expect(row).toContainText('fruit: orange')
  await expect(row).toContainText('… at whose end is an orange')
  // What fits best comes first: there is no other order.
  await expect(page.getByRole('columnheader', { name: 'Name' }).getByRole('button')).toHaveCount(0)
  await accessible(page)
})
