// Every page of the portal, with names as long as they may be and texts that are markup
// or run from right to left, on a phone, a desk and a wall, in light and dark: nothing
// is wider than the screen, nothing breaks, nothing is run, and axe finds nothing serious.
import { readdirSync } from 'node:fs'
import type { Page } from '@playwright/test'
import type { RouteObject } from 'react-router'
import { machine } from './tenant'
import { Api, test as base, expect, findings, unique } from './test'

/** patterns are the addresses of all pages, with :name for what is an object's. */
function patterns(routes: RouteObject[], above = ''): string[] {
  return routes.flatMap((r) => {
    const path = r.path?.startsWith('/') ? r.path : [above, r.path].filter((p) => p !== undefined).join('/')
    return r.children ? patterns(r.children, path) : [path]
  })
}

const areas = await Promise.all(readdirSync('src/routes').map((f) => import(`../src/routes/${f}`)))
const pages = areas.flatMap((area) => Object.values(area).flatMap((r) => patterns(r as RouteObject[])))
const kindOf = (page: string) => page.split('/')[1] ?? ''
const kinds = [...new Set(pages.map(kindOf))]

/** Objects are the parts of addresses, by the names that routes give them. */
type Objects = Record<string, string>

const long = (prefix: string, most = 63) => unique(prefix).padEnd(most, '-and-so-on').replace(/-$/, 'x')
const evil = `<img src=x onerror=alert(1)> "><script>alert(2)</script> \u202eאבגד ${'w'.repeat(90)}`
// Names for people are refused with a mark that turns the direction of what follows.
const title = evil.replace('\u202e', '').slice(0, 150)
const lines = `${evil}\n`.repeat(5)

const test = base.extend<{ dialogs: string[] }, { objects: Objects }>({
  objects: [
    async ({ playwright }, use, worker) => {
      const request = await playwright.request.newContext({ baseURL: process.env.PORTAL_URL })
      await use(await make(new Api(request), worker.workerIndex))
      await request.dispose()
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  dialogs: async ({ page }, use) => {
    const dialogs: string[] = []
    page.on('dialog', (d) => {
      dialogs.push(d.message())
      void d.dismiss()
    })
    await use(dialogs)
  },
})

// The widest screen has many pixels: what is drawn is small, and its pictures are not kept.
test.use({ deviceScaleFactor: 0.25, trace: 'off' })

type Made = { id: string; subject_id: string }

/** make makes an object of each kind that has pages. */
async function make(api: Api, worker: number): Promise<Objects> {
  const post = (path: string, data: object) => api.call<Made>('POST', path, data)
  const account = await post('/accounts', { name: long('a'), description: evil })
  const user = await post('/users', {
    name: long('u'),
    full_name: title,
    email: `${'e'.repeat(60)}@example.com`,
  })
  await post('/memberships', { user: user.id, account: account.id, role: 'reader' })
  return {
    account: account.id,
    user: user.id,
    ...(await ofOperators(api, worker)),
    ...(await ofTenants(api, account.id)),
    ...(await ofTeams(api, account.id, worker)),
  }
}

async function ofOperators(api: Api, worker: number): Promise<Objects> {
  const post = (path: string, data: object) => api.call<Made>('POST', path, data)
  const { items: nodes } = await api.call<{ items: { id: string; simulated: boolean }[] }>('GET', '/nodes')
  const here = nodes.find((n) => !n.simulated)?.id
  const node = await api.call<Made>('PATCH', `/nodes/sim-${12 + (worker % 8)}`, {
    labels: { [long('rack')]: long('r') },
  })
  const header = `#!/bin/sh\n# ---\n# description: ${JSON.stringify(evil)}\n# ---\n`
  const script = await api.upload<Made>(`/scripts?name=${long('s')}`, Buffer.from(`${header}echo '${evil}'\n`))
  const command = ['printf', '%s', lines]
  const job = await post('/jobs', { command, node: here })
  const schedule = await post('/schedules', { name: long('n'), command, node: here, every: '24h' })
  const location = await post('/locations', { name: long('l'), description: evil })
  const size = await post('/sizes', { name: long('z'), vcpus: 1, memory_mib: 64, disk_gib: 1 })
  return { node: node.id, script: script.id, job: job.id, schedule: schedule.id, location: location.id, size: size.id }
}

async function ofTenants(api: Api, account: string): Promise<Objects> {
  const post = (path: string, data: object) => api.call<Made>('POST', path, data)
  const { items: locations } = await api.call<{ items: Made[] }>('GET', '/locations?limit=1')
  const cloudspace = await post('/cloudspaces', { account, location: locations[0]?.id, name: long('c') })
  const m = await machine(api, cloudspace.id, long('m'))
  const forward = { public_port: 20_000 + Math.floor(Math.random() * 40_000), port: 22 }
  const operation = await post('/port-forwards', { machine: m.id, ...forward })
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJw0b0zGmXVDlVIoVPN7TNR5SV9MJ4vRkAJ3CLHvKXGc'
  await post('/ssh-keys', { account, name: long('k'), public_key: key })
  await post('/service-accounts', { account, name: long('b'), full_name: title })
  const { items: images } = await api.call<{ items: Made[] }>('GET', '/images?limit=1&sort=-created_at')
  const image = images[0]?.id ?? ''
  await api.call('PATCH', `/images/${image}`, { name: long('i'), description: evil })
  return { cloudspace: cloudspace.id, machine: m.id, image, operation: operation.id }
}

async function ofTeams(api: Api, account: string, worker: number): Promise<Objects> {
  const post = (path: string, data: object) => api.call<Made>('POST', path, data)
  const labels = { sweep: unique('sim') } // simulated nodes run no scripts: all succeed at once
  await api.call('PATCH', `/nodes/sim-${1 + (worker % 6)}`, { labels })
  const names = { name: long('p'), description: evil, base_domain: 'localhost' }
  const project = await post('/projects', { account, ...names, labels })
  await post('/bundles', { project: project.id, kind: 'builtin:process', use: true })
  const application = [
    { key: `${'long.key.'.repeat(12)}x`, value: evil },
    { key: 'שלום', value: 'x'.repeat(500) },
  ]
  const deployment = await post('/deployments', {
    project: project.id,
    name: long('d', 40),
    comment: evil,
    application,
  })
  const url = `https://hooks.invalid/${'path/'.repeat(40)}`
  const webhook = await post('/webhooks', { account, name: long('h'), url })
  const space = await post('/spaces', { account, name: long('x'), title, description: evil })
  const slug = `${'a'.repeat(60)}/${'b'.repeat(60)}`
  const table = `| ${'wide | '.repeat(30)}\n|${' --- |'.repeat(30)}\n| ${`${'x'.repeat(20)} | `.repeat(30)}\n`
  const body = `# ${title}\n\n${evil}\n\n${table}\n\`\`\`\n${lines}\n\`\`\`\n\n{{machines limit=3}}\n`
  await post('/pages', { space: space.id, slug, body })
  return { project: project.id, deployment: deployment.subject_id, webhook: webhook.id, space: space.id, '*': slug }
}

/** addressOf puts the objects into a pattern; a part that no object is made for fails the test. */
function addressOf(pattern: string, objects: Objects): string {
  return pattern.replace(/:(\w+)|\*/g, (part, name) => {
    const value = objects[name ?? part]
    if (!value) throw new Error(`${pattern}: no object is made for ${part}; make one in this test`)
    return value
  })
}

const desk = { width: 1280, height: 800 }
const sizes = [desk, { width: 3840, height: 800 }, { width: 360, height: 740 }]

// The navigation folds a moment after the window became narrow.
const settled = expect.configure({ soft: true, timeout: 2000 })

/** over is by how many pixels what scrolls as a whole is wider than its place. */
const over = (page: Page) =>
  page.evaluate(() =>
    [document.documentElement, document.querySelector('#main')].map((e) => (e ? e.scrollWidth - e.clientWidth : 0)),
  )

async function check(page: Page, address: string) {
  await page.setViewportSize(desk)
  await page.emulateMedia({ colorScheme: 'light' })
  await page.goto(address)
  await expect(page.getByRole('heading', { level: 1 }).first()).toBeVisible()
  await expect(page.locator('.pf-v6-c-skeleton, .pf-v6-c-spinner, [aria-busy=true]')).toHaveCount(0)
  expect.soft(await findings(page), address).toEqual([])
  const fits = async (size: { width: number; height: number }, what: string) => {
    await page.setViewportSize(size)
    await settled.poll(() => over(page), `${address} at ${size.width} pixels, ${what}`).toEqual([0, 0])
  }
  for (const size of sizes) await fits(size, 'light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await expect(page.locator('html')).toHaveClass(/theme-dark/)
  for (const size of sizes.toReversed()) await fits(size, 'dark')
  expect.soft(await findings(page, 'color-contrast'), `${address} in the dark`).toEqual([])
}

for (const kind of ['', 'nowhere', ...kinds])
  test(`/${kind}: every page fits, is accessible, and takes text for text`, async ({ page, objects, dialogs }) => {
    test.setTimeout(120_000)
    await page.addInitScript((account) => {
      localStorage.setItem('atoll.scope', JSON.stringify({ account }))
    }, objects.account)
    const these = kinds.includes(kind) ? pages.filter((p) => kindOf(p) === kind) : [`/${kind}`]
    for (const pattern of these) await test.step(pattern, () => check(page, addressOf(pattern, objects)))
    expect(dialogs).toEqual([])
  })
