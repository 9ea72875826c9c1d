import { machine } from './tenant'
import { accessible, expect, test, unique } from './test'

test('home: what there is, what runs, what failed, and what happened, live', async ({ page, api }) => {
  await page.goto('/')
  const main = page.locator('#main')
  await expect(main.getByRole('progressbar', { name: 'Memory' })).toBeVisible()
  await expect(main.getByText('Nodes: 21')).toBeVisible()
  await accessible(page)
  const name = unique('seen')
  const size = await api.call<{ id: string }>('POST', '/sizes', { name, vcpus: 1, memory_mib: 64, disk_gib: 1 })
  await expect(main.getByRole('region', { name: 'Last events' }).getByText(name)).toBeVisible()
  await api.call('DELETE', `/sizes/${size.id}`)
})

test('the map in the dark, and at 360 pixels without scrolling sideways', async ({ page }) => {
  await page.goto('/nodes?view=map')
  await page.getByRole('button', { name: 'Light or dark' }).click()
  await expect(page.locator('html')).toHaveClass(/pf-v6-theme-dark/)
  await expect(page.getByRole('list', { name: /nodes$/ })).toBeVisible()
  await accessible(page)
  await page.setViewportSize({ width: 360, height: 740 })
  await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0)
})

test('ctrl-K finds a machine, and what can be begun', async ({ page, api }) => {
  const node = await api.call<{ id: string }>('GET', '/nodes/sim-11')
  await page.goto('/')
  await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').fill('sim-11')
  await expect(page.getByRole('option', { name: /sim-11/ })).toBeVisible()
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(`/nodes/${node.id}`)
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').fill('create schedule')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL('/schedules/new')
})

test('ctrl-K finds pages by their titles, and what is in lists and on other pages', async ({ page, api }) => {
  const { account, cloudspace } = await api.account()
  const m = await machine(api, cloudspace.id)
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJw0b0zGmXVDlVIoVPN7TNR5SV9MJ4vRkAJ3CLHvKXGc'
  const laptop = unique('laptop')
  await api.call('POST', '/ssh-keys', { account: account.id, name: laptop, public_key: key })
  const title = `Water in ${unique('cellar')}`
  const space = await api.call<{ id: string }>('POST', '/spaces', { name: unique('house'), account: account.id })
  await api.call('POST', '/pages', { space: space.id, slug: 'floods/cellar', body: `# ${title}\n\nPump it out.\n` })
  const { items: disks } = await api.call<{ items: { id: string }[] }>('GET', `/disks?filter=machine=${m.id}`)
  await page.goto('/')
  await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
  const find = async (text: string, option: RegExp) => {
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').fill(text)
    await expect(page.getByRole('option', { name: option })).toBeVisible()
    await page.keyboard.press('Enter')
  }
  await find(title.toLowerCase(), /floods\/cellar/)
  await expect(page.getByRole('heading', { level: 1, name: title }).first()).toBeVisible()
  await find(disks[0]?.id ?? '', /disk/)
  await expect(page).toHaveURL(`/machines/${m.id}/disks`)
  await find(laptop, /ssh-key/)
  await expect(page).toHaveURL('/ssh-keys')
  await expect(page.getByRole('gridcell', { name: laptop, exact: true })).toBeVisible() // in the account that it is of
})
