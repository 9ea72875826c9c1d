import { accessible, expect, test, unique } from './test'

test('a page is written with live parts, read, changed, compared, restored and deleted', async ({ page, api }) => {
  const name = unique('runbooks')
  await page.goto('/spaces')
  await page.getByRole('button', { name: 'Create a space' }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill(name)
  await dialog.getByLabel('Title').fill(`Runbooks ${name}`)
  await dialog.getByRole('button', { name: 'Create' }).click()
  await expect(page.getByRole('heading', { level: 1, name: `Runbooks ${name}` })).toBeVisible()

  await page.getByRole('button', { name: 'Write a page' }).first().click()
  await page.getByLabel('Path in the space').fill('nodes/check')
  await page
    .getByLabel('Text')
    .fill('# Check the nodes\n\n{{toc}}\n\n## Nodes\n\n{{nodes limit=5}}\n\n{{no-such-part}}\n')
  const preview = page.getByRole('region', { name: 'Preview' })
  await expect(preview.getByRole('grid', { name: 'Nodes' }).getByRole('row')).toHaveCount(6)
  await expect(preview.getByText('Parts of the page that do not work')).toBeVisible()
  await page.getByLabel('Text').fill('# Check the nodes\n\n## Nodes\n\n{{nodes limit=5}}\n\nSee [[nodes/more]].\n')
  await expect(preview.getByText('no-such-part')).toHaveCount(0)
  await accessible(page)
  await page.getByRole('button', { name: 'Save' }).click()

  await expect(page.getByRole('heading', { level: 1, name: 'Check the nodes' })).toBeVisible()
  await expect(page.getByRole('grid', { name: 'Nodes' }).getByRole('row')).toHaveCount(6)
  // A link to a page that nobody wrote leads to writing it.
  await page.getByRole('link', { name: 'nodes/more' }).click()
  await expect(page.getByRole('heading', { name: 'There is no page nodes/more yet' })).toBeVisible()
  await page.goBack()

  // What somebody else changes is seen live.
  const found = await api.call<{ items: { id: string }[] }>('GET', `/pages?q=${encodeURIComponent('Check the nodes')}`)
  const id = found.items[0]?.id ?? ''
  await api.call('PATCH', `/pages/${id}`, { body: '# Check the nodes\n\nChanged meanwhile.\n', comment: 'shorter' })
  await expect(page.getByText('Changed meanwhile.')).toBeVisible()

  await page.getByRole('button', { name: 'Actions of Check the nodes' }).click()
  await page.getByRole('menuitem', { name: 'History' }).click()
  const history = page.getByRole('grid', { name: 'History' })
  await expect(history.getByRole('row').filter({ hasText: 'shorter' })).toBeVisible()
  await history.getByRole('button', { name: 'Changes' }).first().click()
  await expect(page.getByRole('dialog').getByText('+Changed meanwhile.')).toBeVisible()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  await history.getByRole('button', { name: 'Restore' }).click()
  await expect(history.getByText('restored from 1')).toBeVisible()
  await page.getByRole('link', { name: 'Close' }).click()
  await expect(page.getByRole('grid', { name: 'Nodes' })).toBeVisible()

  await page.getByRole('button', { name: 'Actions of Check the nodes' }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByLabel('Type nodes/check to confirm').fill('nodes/check')
  await page.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByRole('heading', { name: 'None yet' })).toBeVisible()
})

test('a button of a page says what it does before it does it', async ({ page, api }) => {
  const space = await api.call<{ id: string }>('POST', '/spaces', { name: unique('acts'), readers: 'everyone' })
  await api.call('POST', '/pages', {
    space: space.id,
    slug: 'index',
    body: '# Drain\n\n{{action op=node.cordon target=sim-7 label="All is well"}}\n\n{{status node=sim-7}}\n',
  })
  await page.goto(`/pages/${space.id}/index`)
  await page.getByRole('button', { name: 'All is well' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog.getByText('node.cordon')).toBeVisible()
  await expect(dialog.getByText('sim-7')).toBeVisible()
  await accessible(page)
  await dialog.getByRole('button', { name: 'Do it' }).click()
  await expect(dialog.getByText('Started.')).toBeVisible()
  const node = await api.call<{ cordoned: boolean }>('GET', '/nodes/sim-7')
  expect(node.cordoned).toBe(true)
  await api.call('PATCH', '/nodes/sim-7', { cordoned: false })
})

test('a page shows no markup of its author, and a reader may not write', async ({ page, api, signIn }) => {
  const { account } = await api.account()
  const space = await api.call<{ id: string }>('POST', '/spaces', { name: unique('docs'), account: account.id })
  const body = '# Hello\n\n<script>alert(1)</script> <img src=x onerror=alert(1)> [click](javascript:alert(1))\n'
  await api.call('POST', '/pages', { space: space.id, slug: 'index', body })
  const reader = await api.user({ account: account.id, role: 'reader' })
  let alerted = false
  page.on('dialog', () => {
    alerted = true
  })
  await signIn(reader.name)
  await page.goto(`/pages/${space.id}/index`)
  await expect(page.getByRole('heading', { level: 1, name: 'Hello' }).first()).toBeVisible()
  await expect(page.getByRole('button', { name: 'Edit' })).toBeHidden()
  expect(await page.locator('.atoll-page script, .atoll-page img, .atoll-page [href^="javascript"]').count()).toBe(0)
  expect(alerted).toBe(false)
})
