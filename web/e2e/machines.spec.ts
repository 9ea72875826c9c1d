import { accessible, expect, test } from './test'

test('machines are listed, and none yet says how to begin', async ({ page, api, signIn }) => {
  const { account } = await api.account()
  const user = await api.user({ account: account.id, role: 'writer' })
  await signIn(user.name)
  await page.goto('/machines')
  await expect(page.getByRole('heading', { name: 'None yet' })).toBeVisible()
  await accessible(page)
})
