import { createHmac } from 'node:crypto'
import { accessible, expect, password, test } from './test'

// The code that an authenticator shows now, or so many half minutes later: RFC 6238.
function totp(secret: string, later = 0): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret.replace(/[\s=]/g, '')].map((c) => letters.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((b) => Number.parseInt(b, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later))
  const mac = createHmac('sha1', key).update(counter).digest()
  const at = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

test('a second factor is set up, asked for, and its recovery codes work once', async ({
  page,
  api,
  signIn,
  context,
}) => {
  const user = await api.user()
  await signIn(user.name)
  await page.goto('/profile')
  await page.getByRole('button', { name: 'Set it up' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Set it up' }).click()
  await expect(dialog.getByRole('img', { name: 'QR code for the authenticator' })).toBeVisible()
  const secret = (await dialog.locator('code').first().textContent()) ?? ''
  await accessible(page)
  await dialog.getByLabel('Code').fill(totp(secret))
  await dialog.getByRole('button', { name: 'Confirm' }).click()
  const shown = dialog.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem')
  await expect(shown).toHaveCount(10)
  const codes = await shown.allTextContents()
  await dialog.getByRole('button', { name: 'I have kept them' }).click()
  await expect(page.getByText('10 recovery codes are left')).toBeVisible()

  const again = async (code: string) => {
    await context.clearCookies()
    await page.goto('/login')
    await page.getByRole('textbox', { name: 'Name' }).fill(user.name)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('textbox', { name: 'Code of your second factor' }).fill(code)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await again('000000')
  await expect(page.getByRole('alert')).toBeVisible()
  await again(codes[0] ?? '')
  await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
  await again(codes[0] ?? '')
  await expect(page.getByRole('alert')).toBeVisible()
  await again(totp(secret, 1))
  await expect(page.getByRole('heading', { level: 1, name: 'Home' })).toBeVisible()
})

test('a token is made, shown once and deleted; the password is changed', async ({ page, api, signIn, request }) => {
  const user = await api.user()
  await signIn(user.name)
  await page.goto('/profile')
  await page.getByRole('button', { name: 'Make a token' }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('laptop')
  await dialog.getByRole('button', { name: 'Create' }).click()
  await expect(dialog.getByText('It is not shown again')).toBeVisible()
  const token = (await dialog.locator('code').first().textContent()) ?? ''
  const me = await request.get('/api/v1/me', { headers: { Authorization: `Bearer ${token}` } })
  expect(me.status()).toBe(200)
  await dialog.getByRole('button', { name: 'Close' }).last().click()
  const tokens = page.getByRole('grid', { name: 'Tokens' })
  await tokens
    .getByRole('row', { name: /laptop/ })
    .getByRole('button', { name: 'Delete' })
    .click()
  await page.getByLabel('Type laptop to confirm').fill('laptop')
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText('You have no tokens.')).toBeVisible()

  await page.getByLabel('Present password').fill('not this one at all')
  await page.getByLabel('New password').fill('another long password')
  await page.getByLabel('Password again').fill('another long password')
  await page.getByRole('button', { name: 'Change the password' }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  await page.getByLabel('Present password').fill(password)
  await page.getByRole('button', { name: 'Change the password' }).click()
  await expect(page.getByText('The password is changed')).toBeVisible()
  await accessible(page)
})
