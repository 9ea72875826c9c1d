// The frame around all pages: what is typed outlives sessions and restarts, and many
// changes at a time do not make the page stop.
import { expect, test, testWith, unique } from './test'

test('a session that ends comes back to the same place, with what was typed', async ({ page, api, signIn }) => {
  const user = await api.user(undefined, 'operator')
  await signIn(user.name)
  await page.goto('/sizes/new')
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill('half-typed')
  await page.getByLabel('vCPUs').fill('3')
  // All sessions end when a user is disabled.
  await api.call('PATCH', `/users/${user.id}`, { disabled: true })
  await api.call('PATCH', `/users/${user.id}`, { disabled: false })
  // The page hears of it by itself.
  await expect(page.getByText('Your session has ended')).toBeVisible()
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(user.name)
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL('/sizes/new')
  await expect(page.getByRole('textbox', { name: 'Name', exact: true })).toHaveValue('half-typed')
  await expect(page.getByLabel('vCPUs')).toHaveValue('3')
})

test('markup in an address is text', async ({ page }) => {
  let alerted = false
  page.on('dialog', () => {
    alerted = true
  })
  await page.goto(`/events?action=${encodeURIComponent('"><script>alert(1)</script>')}`)
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  expect(alerted).toBe(false)
})

const alone = testWith(3)

alone('a restart while a form is open loses nothing; a banner says that it is away', async ({ page, api, own }) => {
  await page.goto('/sizes/new')
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill('kept')
  await own.halt()
  await expect(page.getByText('No connection to the controller.')).toBeVisible()
  await page.getByRole('button', { name: 'Create a size' }).click()
  await expect(page.getByText('The controller does not answer.')).toBeVisible()
  await expect(page.getByRole('textbox', { name: 'Name', exact: true })).toHaveValue('kept')
  await own.resume()
  await expect(page.getByText('No connection to the controller.')).toBeHidden()
  await page.getByRole('button', { name: 'Create a size' }).click()
  await expect(page).toHaveURL('/sizes')
  await expect(page.getByRole('row', { name: /kept/ })).toBeVisible()
  // The feed goes on where it was: what changes now shows.
  const name = unique('later')
  await api.call('POST', '/sizes', { name, vcpus: 1, memory_mib: 64, disk_gib: 1 })
  await expect(page.getByRole('row', { name: new RegExp(name) })).toBeVisible()
})
