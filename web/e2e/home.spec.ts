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

test('home and the map in the dark, and at 360 pixels without scrolling sideways', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 })
  for (const path of ['/', '/nodes?view=map', '/nodes', '/jobs', '/run', '/events', '/users', '/schedules/new']) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(over, `${path} is wider than the screen`).toBeLessThanOrEqual(0)
  }
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.goto('/nodes?view=map')
  await page.getByRole('button', { name: 'Light or dark' }).click()
  await expect(page.locator('html')).toHaveClass(/pf-v6-theme-dark/)
  await expect(page.getByRole('list', { name: /nodes$/ })).toBeVisible()
  await accessible(page)
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
