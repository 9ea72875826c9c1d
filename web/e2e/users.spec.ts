import { accessible, expect, password, test, unique } from './test'

test('a user is made, signs in by the setup link, and is disabled', async ({ page, browser, baseURL, api }) => {
  const name = unique('ada')
  await page.goto('/users')
  await page.getByRole('link', { name: 'Create a user' }).first().click()
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(name)
  await page.getByLabel('Full name').fill('Ada <b>Lovelace</b>')
  await page.getByLabel('Role in the installation').selectOption('support')
  await accessible(page)
  await page.getByRole('button', { name: 'Create a user' }).click()
  const dialog = page.getByRole('dialog')
  const link = (await dialog.getByText(/\/setup#/).textContent()) ?? ''
  expect(link).toContain(`${baseURL}/setup#`)

  const hers = await browser.newContext({ baseURL, storageState: undefined })
  const ada = await hers.newPage()
  await ada.goto(link)
  await ada.getByLabel('Password').first().fill(password)
  await ada.getByLabel('Password again').fill(password)
  await ada.getByRole('button').last().click()
  await expect(ada.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
  // Support sees operation, and may change nothing.
  await ada.goto(`/users?q=${name}`)
  await expect(ada.getByRole('link', { name })).toBeVisible()
  await expect(ada.getByRole('link', { name: 'Create a user' })).toBeHidden()

  await dialog.getByRole('button', { name: 'Done' }).click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  await expect(page.getByText('Ada <b>Lovelace</b>').first()).toBeVisible()
  await accessible(page)
  await page.getByRole('link', { name: 'Credentials' }).click()
  await expect(page.getByRole('grid', { name: 'Sessions' }).getByRole('row')).toHaveCount(2)

  await page.getByRole('button', { name: 'Actions', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Disable' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
  await expect(page.getByText('Disabled')).toBeVisible()
  await ada.goto('/users')
  await expect(ada.getByRole('button', { name: 'Sign in' })).toBeVisible() // her session is over
  await hers.close()

  // Enabled elsewhere: the page shows it.
  await api.call('PATCH', `/users/${name}`, { disabled: false })
  await expect(page.getByText('Active').first()).toBeVisible()

  await page.getByRole('button', { name: 'Actions', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Edit' }).click()
  await page.getByLabel('Role in the installation').selectOption('')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('none: what members of accounts may')).toBeVisible()
})

test('nobody disables himself', async ({ page, api }) => {
  const me = await api.call<{ user: { id: string } }>('GET', '/me')
  await page.goto(`/users/${me.user.id}`)
  await page.getByRole('button', { name: 'Actions', exact: true }).click()
  await expect(page.getByRole('menuitem', { name: /Disable.*Not for yourself/s })).toBeVisible()
})

test('a tenant sees no pages of operators', async ({ page, api, signIn }) => {
  const { account } = await api.account()
  const user = await api.user({ account: account.id, role: 'reader' })
  await signIn(user.name)
  const nav = page.getByRole('navigation', { name: 'Pages' })
  await expect(nav.getByRole('link', { name: 'Machines' })).toBeVisible()
  for (const name of ['Nodes', 'Jobs', 'Users', 'Run on nodes', 'Settings'])
    await expect(nav.getByRole('link', { name, exact: true })).toBeHidden()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox').fill('run on')
  await expect(page.getByRole('option', { name: /Run on nodes/ })).toBeHidden()
})
