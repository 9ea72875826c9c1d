// Pictures of the main pages with demo data, for docs/portal.md and for who wants to see
// how a change looks.
import { expect, picture, testWith } from './test'

const test = testWith(
  20,
  async (api) => {
    const none = { items: [] as object[] }
    const all = async () => [
      (await api.call<typeof none>('GET', '/spaces')).items.length > 0, // what the demo data makes last
      (await api.call<typeof none>('GET', '/operations?filter=state=running')).items.length === 0,
    ]
    await expect.poll(all, { timeout: 120_000 }).toEqual([true, true])
  },
  '--demo-data',
)

test('the main pages, as docs/portal.md shows them', async ({ page, api }) => {
  test.slow()
  const machine = `/machines/${await api.find('/machines', 'name=web-1')}`
  const deployment = `/deployments/${await api.find('/deployments', 'name=checkout-redesign')}`
  const space = await api.find('/spaces', 'name=runbooks')
  const cloudspace = `/cloudspaces/${await api.find('/cloudspaces', 'name=production')}`
  for (const [name, path, heading] of [
    ['home', '/', 'Home'],
    ['machine', machine, 'web-1'],
    ['topology', `${cloudspace}/topology`, 'production'],
    ['deployments', '/deployments', 'Deployments'],
    ['deployment', deployment, 'checkout-redesign'],
    ['nodes', '/nodes?view=map', 'Nodes'],
    ['jobs', '/jobs', 'Jobs'],
    ['events', '/events', 'Audit log'],
    ['page', `/pages/${space}/nodes/maintenance`, 'Node maintenance'],
  ] as const) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible()
    await picture(page, name)
  }
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 390, height: 844 })
  await page.goto(machine)
  await expect(page.getByRole('heading', { level: 1, name: 'web-1' })).toBeVisible()
  await picture(page, 'phone')
})
