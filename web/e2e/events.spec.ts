import { readFileSync } from 'node:fs'
import { accessible, expect, test, unique } from './test'

test('the audit log says who did what; it is filtered, exported and checked', async ({ page, api }) => {
  const name = unique('audited')
  await page.goto('/events')
  const table = page.getByRole('grid', { name: 'Audit log' })
  await expect(table.getByRole('row').nth(1)).toBeVisible()
  await page.getByLabel('Action', { exact: true }).fill('size.')
  await page.getByLabel('Who').fill('admin')
  await expect(page).toHaveURL(/actor=admin/)
  const size = await api.call<{ id: string }>('POST', '/sizes', { name, vcpus: 1, memory_mib: 64, disk_gib: 1 })
  const row = table.getByRole('row', { name: new RegExp(name) }) // it comes by itself
  await expect(row.getByText('admin')).toBeVisible()
  await expect(row.getByText('127.0.0.1')).toBeVisible()
  await accessible(page)

  await row.getByRole('button', { name: 'size.create' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByText(new RegExp(`"${name}"`)).first()).toBeVisible()
  await dialog.getByRole('button', { name: 'Close' }).click()

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Export as CSV' }).click(),
  ])
  const text = readFileSync(await download.path(), 'utf8')
  expect(text).toContain(name)
  expect(text).not.toContain('node.online') // the filters hold for the export too

  await page.getByRole('button', { name: 'Check the chain' }).click()
  await expect(page.getByRole('dialog').getByText(/^All \d[\d,]* entries are as they were written/)).toBeVisible()
  await api.call('DELETE', `/sizes/${size.id}`)
})
