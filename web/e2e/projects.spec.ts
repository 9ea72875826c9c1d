import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accessible, expect, test, unique } from './test'

test('a project is made, given scripts, secrets and members, and deleted', async ({ page, api, signIn }) => {
  const { account } = await api.account()
  const admin = await api.user({ account: account.id, role: 'admin' })
  const other = await api.user()
  await signIn(admin.name)
  await page.goto('/projects')
  await expect(page.getByRole('heading', { name: 'No project yet' })).toBeVisible()
  await page.getByRole('link', { name: 'New project' }).first().click()
  const name = unique('shop')
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(name)
  await page.getByLabel('Base domain').fill('staging.example.com')
  await accessible(page)
  await page.getByRole('button', { name: 'Create', exact: true }).click()

  // Control scripts: an archive of one's own, then processes, then the archive again.
  await expect(page.getByRole('heading', { name: 'No control scripts yet' })).toBeVisible()
  const dir = mkdtempSync(join(tmpdir(), 'atoll-scripts-'))
  for (const script of [
    'create',
    'update',
    'archive',
    'unarchive',
    'cleanup',
    'check',
    'archive_check',
    'config_check',
  ])
    writeFileSync(join(dir, script), '#!/bin/sh\n', { mode: 0o755 })
  for (const script of ['info', 'deployment_config', 'deployment_config_keys', 'application_config', 'app_keys'])
    writeFileSync(join(dir, script), '#!/bin/sh\n', { mode: 0o755 })
  const archive = `${dir}.tar.gz` // outside of what goes into it
  execFileSync('tar', ['-czf', archive, '-C', dir, '.'])
  await page.getByRole('button', { name: 'Upload an archive' }).click()
  await page.locator('input[type=file]').setInputFiles(archive)
  await page.getByRole('dialog').getByRole('button', { name: 'Upload an archive' }).last().click()
  const versions = page.getByRole('grid', { name: 'Versions of the control scripts' })
  await expect(versions.getByRole('row').filter({ hasText: 'Archive' })).toContainText('in use')
  await page.getByRole('button', { name: 'Use processes' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Use processes' }).click()
  await expect(versions.getByRole('row').filter({ hasText: 'Processes' })).toContainText('in use')
  await versions.getByRole('row').filter({ hasText: 'Archive' }).getByRole('button', { name: 'Use' }).click()
  await expect(versions.getByRole('row').filter({ hasText: 'Archive' })).toContainText('in use')

  await page.getByRole('tab', { name: 'Secrets' }).click()
  await page.getByRole('button', { name: 'Add a secret' }).click()
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill('API_KEY')
  await page.getByLabel('Value').fill('geheim')
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('grid', { name: 'Secrets' })).toContainText('API_KEY')
  await expect(page.locator('body')).not.toContainText('geheim')

  await page.getByRole('tab', { name: 'Members' }).click()
  await page.getByRole('button', { name: 'Add a member' }).first().click()
  await page.getByRole('textbox', { name: 'User' }).fill(other.name)
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('row').filter({ hasText: other.name })).toContainText('Writer')
  await accessible(page)

  await page.getByRole('tab', { name: 'Settings' }).click()
  await page.getByLabel('Description').fill('Our shop')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('The project is saved')).toBeVisible()

  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByLabel(`Type ${name} to confirm`).fill(name)
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByRole('heading', { name: 'No project yet' })).toBeVisible()
})

test('who may not change a project reads it, and two admins see each other’s changes', async ({
  page,
  api,
  signIn,
}) => {
  const { account } = await api.account()
  const p = await api.call<{ id: string; name: string }>('POST', '/projects', {
    account: account.id,
    name: unique('shop'),
    base_domain: 'localhost',
    description: '<b>bold</b>',
  })
  await page.goto(`/projects/${p.id}`)
  await page.getByLabel('Description').fill('mine')
  await api.call('PATCH', `/projects/${p.id}`, { description: 'theirs' })
  await page.getByRole('button', { name: 'Save' }).click()
  const conflict = page.getByRole('alert').filter({ hasText: 'Somebody else changed this meanwhile' })
  await expect(conflict.getByRole('row').filter({ hasText: 'Description' })).toContainText('theirs')
  await conflict.getByRole('button', { name: 'Take theirs' }).click()
  await expect(page.getByLabel('Description')).toHaveValue('theirs')

  const reader = await api.user({ account: account.id, role: 'reader' })
  await signIn(reader.name)
  await page.goto(`/projects/${p.id}`)
  await expect(page.getByText('Base domain')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Save' })).toHaveCount(0)
  await page.getByRole('tab', { name: 'Secrets' }).click()
  await expect(page.getByRole('button', { name: 'Add a secret' })).toHaveAttribute('aria-disabled', 'true')
  await accessible(page)
})
