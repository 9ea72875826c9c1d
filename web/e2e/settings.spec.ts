import { accessible, expect, testWith } from './test'

// The settings are the whole installation's, so that this has one of its own.
const test = testWith(3)

test('the look is set, and who signs in sees it; a second factor can be required', async ({ page, api, browser }) => {
  await page.goto('/settings')
  await page.getByLabel('Name of the installation').fill('Blue Lagoon')
  await page.getByLabel('Accent colour').fill('#0d7d8c')
  await expect(page.getByText('Its contrast is')).toBeVisible()
  await page.getByLabel('Notice on the sign-in page').fill('For staff of Lagoon only.')
  await page.getByRole('button', { name: 'Add a link' }).click()
  await page.getByLabel('Label').fill('Status')
  await page.getByLabel('Address, with https://').fill('https://status.example.com')
  await page.getByText('The same by command line').click()
  await expect(page.getByText(/atoll settings update --display-name 'Blue Lagoon'/)).toBeVisible()
  await accessible(page)
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('The settings are saved')).toBeVisible()
  await expect(page.getByRole('banner').getByText('Blue Lagoon')).toBeVisible()

  const logo = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="4" cx="4.5" cy="4.5"/></svg>'
  await page.locator('input[type=file]').setInputFiles({
    name: 'logo.svg',
    mimeType: 'image/svg+xml',
    buffer: Buffer.from(logo),
  })
  await expect(page.getByRole('banner').getByRole('img', { name: 'Blue Lagoon' })).toBeVisible()

  const user = await api.user()
  await api.call('PUT', '/settings', {
    display_name: 'Blue Lagoon',
    notice: 'For staff of Lagoon only.',
    second_factor: 'all',
  })
  const context = await browser.newContext({ storageState: undefined, baseURL: page.url() })
  const other = await context.newPage()
  await other.goto('/login')
  await expect(other.getByText('For staff of Lagoon only.')).toBeVisible()
  await other.getByRole('textbox', { name: 'Name' }).fill(user.name)
  await other.getByLabel('Password').fill('correct horse battery')
  await other.getByRole('button', { name: 'Sign in' }).click()
  await expect(other.getByRole('heading', { name: 'Set up a second factor' })).toBeVisible()
  await context.close()
})
