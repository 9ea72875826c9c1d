import { type Api, accessible, expect, test, unique } from './test'

test('a command runs on all nodes, and a table fills with what each gave', async ({ page }) => {
  await page.goto('/run')
  await page.getByRole('textbox', { name: 'Command' }).fill(`echo 'on all nodes'`)
  await page.getByText('The same by command line').click()
  await expect(page.getByText(`atoll run --all -- echo 'on all nodes'`)).toBeVisible()
  await page.getByRole('button', { name: 'Check first' }).click()
  await expect(page.getByRole('dialog').getByText('Nothing stands in the way.')).toBeVisible()
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()
  await accessible(page)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page).toHaveURL(/\/operations\//)
  const jobs = page.getByRole('grid', { name: 'Jobs' })
  await expect(jobs.getByText('Succeeded')).toHaveCount(21)
  await expect(jobs.getByRole('row', { name: /sim-20/ })).toBeVisible()
  await accessible(page)

  // The tasks say the same, from any page.
  await page.getByRole('button', { name: /^Tasks/ }).click()
  await expect(page.getByRole('article', { name: /^Run / }).first()).toBeVisible()
})

test('what is wrong with a run is said at its field, and nothing typed is lost', async ({ page }) => {
  await page.goto('/run?node=nowhere')
  await page.getByRole('textbox', { name: 'Command' }).fill('true')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.getByRole('alert')).toContainText('nowhere')
  await expect(page.getByRole('textbox', { name: 'Command' })).toHaveValue('true')
})

// realNode is the one node that is no simulation: this host.
async function realNode(api: Api) {
  const { items } = await api.call<{ items: { id: string; name: string; simulated: boolean }[] }>('GET', '/nodes')
  const node = items.find((n) => !n.simulated)
  if (!node) throw new Error('this host is no node')
  return node
}

const hello = `#!/bin/sh
# ---
# description: Says hello
# parameters:
#   type: object
#   required: [who]
#   properties:
#     who: {type: string, description: Whom to greet}
#     times: {type: integer, minimum: 1, maximum: 5, default: 2}
#     tone: {type: string, enum: [kind, rough]}
# ---
echo "hello $ATOLL_ARG_WHO"
`

test('a script is uploaded, compared with its next revision, and run from its form', async ({ page, api }) => {
  const name = unique('hello')
  const node = await realNode(api) // simulated ones run no scripts
  await page.goto('/scripts')
  await page.getByRole('link', { name: 'Upload a script' }).first().click()
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(name)
  await page.getByRole('textbox', { name: 'Script', exact: true }).fill('echo no header')
  await page.getByRole('button', { name: 'Upload a script' }).click()
  await expect(page.getByText('A script begins with #!')).toBeVisible()
  await page.getByRole('textbox', { name: 'Script', exact: true }).fill(hello)
  await page.getByRole('button', { name: 'Upload a script' }).click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
  await expect(page.getByText('Says hello').first()).toBeVisible()
  await expect(page.getByRole('grid', { name: 'Parameters' }).getByText('Whom to greet')).toBeVisible()
  await accessible(page)

  // A second revision, by the form that holds the first one's text.
  await page.getByRole('button', { name: 'Actions', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Upload a revision' }).click()
  await expect(page.getByRole('textbox', { name: 'Script', exact: true })).toHaveValue(hello)
  await page.getByRole('textbox', { name: 'Script', exact: true }).fill(`${hello}echo again\n`)
  await page.getByRole('button', { name: 'Upload a revision' }).click()
  await expect(page.getByText('Revision 2, current')).toBeVisible()
  await page.getByLabel('Compare with').selectOption({ label: 'Compare with Revision 1' })
  await expect(page.getByText('1 lines added, 0 lines removed')).toBeVisible()
  await accessible(page)

  await page.getByRole('button', { name: 'Run it' }).click()
  await expect(page.getByLabel('times')).toHaveValue('2')
  await page.getByRole('combobox', { name: 'Where' }).selectOption('nodes')
  await page.getByRole('textbox', { name: 'Nodes' }).fill(node.name)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(page.getByText('Required').first()).toBeVisible() // who
  await page.getByRole('textbox', { name: 'who' }).fill('world')
  await page.getByLabel('tone').selectOption('kind')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  const jobs = page.getByRole('grid', { name: 'Jobs' })
  await expect(jobs.getByText('Succeeded')).toHaveCount(1)

  // The job: its facts, its output, and once more.
  await jobs.getByRole('link').first().click()
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  await expect(page.getByRole('log', { name: 'Output' }).getByText('hello world')).toBeVisible()
  await expect(page.getByText('"who": "world"')).toBeVisible()
  await accessible(page)
  const first = page.url()
  await page.getByRole('button', { name: 'Run again' }).click()
  await expect(page).not.toHaveURL(first)
  await expect(page.getByText('Succeeded').first()).toBeVisible()

  const { items } = await api.call<{ items: { args: object; node_id: string }[] }>(
    'GET',
    '/jobs?sort=-created_at&limit=50&filter=action=script',
  )
  expect(items.filter((j) => JSON.stringify(j.args).includes('world'))).toHaveLength(2)
  await api.call('DELETE', `/scripts/${name}`)
})

test('a job shows its output as it comes, and is cancelled', async ({ page, api }) => {
  const node = (await realNode(api)).id
  const command = ['sh', '-c', 'echo begun; sleep 300']
  const job = await api.call<{ id: string }>('POST', '/jobs', { command, node, timeout: '10m' }, 0)
  await page.goto(`/jobs/${job.id}`)
  const head = page.getByRole('heading', { level: 1 }).locator('..')
  await expect(page.getByRole('log', { name: 'Output' }).getByText('begun')).toBeVisible()
  await expect(head.getByText('Running')).toBeVisible()
  await accessible(page)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).first().click()
  await expect(head.getByText('Canceled')).toBeVisible()
  await page.getByRole('link', { name: 'Jobs' }).first().click()
  await page.getByRole('button', { name: 'State: all' }).click()
  await page.getByRole('option', { name: 'Canceled' }).click()
  await expect(page.getByRole('grid', { name: 'Jobs' }).getByText(/begun/).first()).toBeVisible()
})

test('a schedule is made, paused elsewhere, changed and deleted', async ({ page, api }) => {
  const name = unique('nightly')
  await page.goto('/schedules/new')
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(name)
  await page.getByRole('combobox', { name: 'What' }).selectOption('command')
  await page.getByRole('textbox', { name: 'Command' }).fill('true')
  await page.getByLabel('How often').selectOption('cron')
  await page.getByLabel('Cron line').fill('61 2 * * *')
  await page.getByRole('button', { name: 'Create a schedule' }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  await page.getByLabel('Cron line').fill('30 2 * * *')
  await page.getByLabel('Time zone').fill('Europe/Brussels')
  await page.getByText('The same by command line').click()
  await expect(page.getByText(`--cron '30 2 * * *' --timezone Europe/Brussels -- true`)).toBeVisible()
  await accessible(page)
  await page.getByRole('button', { name: 'Create a schedule' }).click()
  await expect(page.getByText('30 2 * * * (Europe/Brussels)')).toBeVisible()
  await expect(page.getByRole('heading', { name: 'It has not run yet' })).toBeVisible()

  await api.call('POST', `/schedules/${name}/pause`)
  await expect(page.getByText('Paused')).toBeVisible()
  await page.getByRole('button', { name: 'Actions', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Resume' }).click()
  await expect(page.getByText('Paused')).toBeHidden()

  await page.getByRole('button', { name: 'Actions', exact: true }).click()
  await page.getByRole('menuitem', { name: 'Edit' }).click()
  await page.getByLabel('How often').selectOption('every')
  await page.getByLabel('Period').fill('1h')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText(/every 1h/)).toBeVisible()

  await page.goto('/schedules')
  const row = page.getByRole('row', { name: new RegExp(name) })
  await row.getByRole('button', { name: `Actions of ${name}` }).click()
  await page.getByRole('menuitem', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByRole('textbox').fill(name)
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(row).toBeHidden()
})
