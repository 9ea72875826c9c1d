// What a browser loads before anybody has done anything.
import { expect, test } from './test'

const kib = (n: number) => Math.round(n / 1024)

test('the first load is small', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ baseURL, storageState: undefined })
  const page = await context.newPage()
  // What the portal itself is: its answers from the API are as large as what there is.
  const kind = new Map<string, 'portal' | 'api'>()
  const bytes = { portal: 0, api: 0 }
  const client = await context.newCDPSession(page)
  await client.send('Network.enable')
  client.on('Network.requestWillBeSent', (e) => {
    kind.set(e.requestId, new URL(e.request.url).pathname.startsWith('/api/') ? 'api' : 'portal')
  })
  client.on('Network.loadingFinished', (e) => {
    bytes[kind.get(e.requestId) ?? 'portal'] += e.encodedDataLength
  })
  await page.goto('/login')
  await page.getByLabel('Name').fill('admin')
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('progressbar', { name: 'Memory' })).toBeVisible()
  await page.waitForLoadState('networkidle')
  console.log(`signing in and the home page: ${kib(bytes.portal)} KiB, and ${kib(bytes.api)} KiB of answers`)
  expect(bytes.portal).toBeLessThanOrEqual(450 * 1024)
  await context.close()
})
