// How fast pages are with ten thousand machines, jobs and events, a thousand nodes and
// deployments: from the click to what it leads to, without the time that the network
// and the controller took; and whether a flood of changes, an output of a hundred
// thousand lines or two thousand values of a configuration make a page stop. Measured
// on a quiet machine: make bench-portal.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import type { Controller } from '../e2e/controller'
import { type Api, expect, testWith } from '../e2e/test'
import { flood, interactive, type Line, longestTask, missed, percentile, type Shown, table } from './measure'

const many = 10_000
const nodes = 1000
const limit = 200 // ms
const rounds = 20

type Named = { id: string; name: string }

const test = testWith(nodes, async (api, own) => {
  await own.halt()
  execFileSync('go', ['run', '../bench/portal', '-database', `sqlite:${own.data}/atoll.db`, '-n', String(many)])
  await own.resume()
  const job = { action: 'noop', role: 'compute' }
  for (let i = 0; i < many; i += 1000) await api.call('POST', '/jobs:batch', { jobs: Array(1000).fill(job) }, 0)
  const left = async (path: string) => (await api.call<{ items: unknown[] }>('GET', path)).items.length
  await expect.poll(() => left('/jobs?filter=state=queued&limit=1'), { timeout: 100_000 }).toBe(0)
  await expect.poll(() => left('/nodes?filter=state=online&limit=1000'), { timeout: 100_000 }).toBe(nodes)
})

const first = async <T = Named>(api: Api, path: string) =>
  (await api.call<{ items: T[] }>('GET', `${path}${path.includes('?') ? '&' : '?'}limit=1`)).items[0] as T

// The host's own node, which alone runs what it is told.
async function realNode(api: Api) {
  const { items } = await api.call<{ items: (Named & { simulated: boolean })[] }>(
    'GET',
    '/nodes?sort=created_at&limit=100',
  )
  const node = items.find((n) => !n.simulated)
  if (!node) throw new Error('this host is no node')
  return node
}

const rows = (grid: string): Shown => ({
  selector: `table[aria-label="${grid}"]:not([aria-busy="true"]) tbody tr:has(td a, td button)`,
})

const lists = [
  { link: 'Machines', grid: 'Machines', of: many },
  { link: 'Jobs', grid: 'Jobs', of: many },
  { link: 'Audit log', grid: 'Audit log', of: many },
  { link: 'Deployments', grid: 'Deployments', of: 1000 },
  { link: 'Nodes', grid: 'Nodes', of: nodes },
]

const of = (n: number) => n.toLocaleString('en')

// Each list as it is opened, and its further pages, whose rows are all new.
async function openLists(page: Page, lines: Line[]) {
  await page.goto('/locations')
  await expect(page.getByRole('grid', { name: 'Locations' })).toBeVisible()
  const measure = (what: string, all: number[]) => {
    lines.push({ what: `${what}, median`, value: percentile(all, 0.5), unit: 'ms' })
    lines.push({ what: `${what}, p95`, value: percentile(all, 0.95), unit: 'ms', aim: limit })
  }
  for (const { link, grid, of: n } of lists) {
    await interactive(page, link, rows(grid)) // the code of the page is there from the second time on
    const opened: number[] = []
    const next: number[] = []
    for (let i = 0; i < rounds; i++) {
      await interactive(page, 'Locations', rows('Locations'))
      opened.push(await interactive(page, link, rows(grid)))
    }
    for (let i = 0; i < Math.min(rounds, n / 50 - 1); i++) {
      const unlike = await page
        .locator(rows(grid).selector)
        .first()
        .evaluate((e) => e.outerHTML)
      next.push(await interactive(page, 'Next page', { ...rows(grid), unlike }))
    }
    measure(`${link}, ${of(n)}: opened`, opened)
    measure(`${link}, ${of(n)}: next page`, next)
  }
  const map: number[] = []
  await interactive(page, 'Nodes', rows('Nodes'))
  for (let i = 0; i <= rounds; i++) {
    map.push(await interactive(page, 'Map', { selector: '.atoll-map a' }))
    await interactive(page, 'List', rows('Nodes'))
  }
  measure(`Map of ${of(nodes)} nodes: opened`, map.slice(1))
}

// A hundred changes a second of what the page shows.
async function floods(page: Page, api: Api, own: Controller, lines: Line[]) {
  const send = (method: string, path: string, body: object) =>
    fetch(`${own.url}/api/v1${path}`, {
      method,
      body: JSON.stringify(body),
      headers: { Authorization: `Bearer ${own.token}`, 'Content-Type': 'application/json' },
    }).then(async (r) => {
      if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${await r.text()}`)
      await r.arrayBuffer()
    })
  const machine = await first(api, '/machines?sort=name')
  const deployment = await first(api, '/deployments?sort=-status_at')
  const node = await first(api, '/nodes?sort=name')
  const location = await first(api, '/locations')
  const label = (n: number) => send('PATCH', `/nodes/${node.id}`, { labels: { n: String(n) } })
  for (const [what, path, ready, make] of [
    [
      'Machines',
      '/machines',
      rows('Machines'),
      (n) => send('PATCH', `/machines/${machine.id}`, { description: `${n}` }),
    ],
    ['Jobs', '/jobs', rows('Jobs'), () => send('POST', '/jobs', { action: 'noop', role: 'compute' })],
    [
      'Audit log',
      '/events',
      rows('Audit log'),
      (n) => send('PATCH', `/locations/${location.id}`, { description: `${n}` }),
    ],
    [
      'Deployments',
      '/deployments',
      rows('Deployments'),
      (n) => send('PATCH', `/deployments/${deployment.id}`, { comment: `${n}` }),
    ],
    ['Nodes', '/nodes', rows('Nodes'), label],
    ['Map of nodes', '/nodes?view=map', { selector: '.atoll-map a' }, label],
  ] as [string, string, Shown, (n: number) => Promise<void>][]) {
    await page.goto(path)
    await page.locator(ready.selector).first().waitFor()
    let rate = 0
    const longest = await longestTask(page, async () => {
      rate = await flood(5000, make)
    })
    lines.push({
      what: `${what}, ${Math.round(rate)} changes a second: longest task`,
      value: longest,
      unit: 'ms',
      aim: limit,
    })
  }
}

// A job that writes a hundred thousand lines while somebody looks.
async function output(page: Page, api: Api, lines: Line[]) {
  const node = await realNode(api)
  const args = {
    argv: ['sh', '-c', 'sleep 2; seq -f "line %.0f of what a program says, as long as such lines are" 100000'],
  }
  const job = await api.call<Named>('POST', '/jobs', { action: 'command', args, node: node.id }, 0)
  await page.goto(`/jobs/${job.id}`)
  const log = page.getByRole('log', { name: 'Output' })
  await log.waitFor()
  const longest = await longestTask(page, () => expect(log).toContainText('line 100000 of', { timeout: 60_000 }))
  lines.push({ what: 'Output of 100,000 lines, live: longest task', value: longest, unit: 'ms', aim: limit })
}

const scripts: Record<string, string> = {
  // In groups, and as many beside each other.
  app_overrides: 'seq -f "service.part%.0f.port,8080" 1000; seq -f "KEY_%.0f,value" 1000',
  ...Object.fromEntries(
    'check config_check info deployment_overrides deployment_keys app_keys create update archive unarchive cleanup archive_check'
      .split(' ')
      .map((name) => [name, 'exit 0']),
  ),
}

// A configuration of two thousand values, in which one is written and many are looked at.
async function configuration(page: Page, api: Api, lines: Line[]) {
  const node = await realNode(api)
  await api.call('PATCH', `/nodes/${node.id}`, { labels: { scripts: 'real' } })
  const { account } = await api.account()
  const project = await api.call<Named>('POST', '/projects', {
    account: account.id,
    name: 'large',
    base_domain: 'localhost',
    labels: { scripts: 'real' },
  })
  const dir = mkdtempSync(join(tmpdir(), 'atoll-bench-'))
  for (const [name, text] of Object.entries(scripts))
    writeFileSync(join(dir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  const archive = execFileSync('tar', ['-cz', '-C', dir, '.'])
  await api.upload(`/bundles:upload?project=${project.id}&source=bench.tar.gz&use=true`, archive)
  await page.goto(`/deployments/new?project=${project.id}`)
  const config = page.getByRole('group', { name: 'Application configuration' })
  const value = config.getByLabel('Value of KEY_1', { exact: true })
  const opened = await longestTask(page, () => value.waitFor())
  const typed = await longestTask(page, () => value.pressSequentially('as it is typed', { delay: 30 }))
  const expanded = await longestTask(page, async () => {
    await config.getByRole('button', { name: /^service/ }).click()
    await config.getByText('Show 50 more').first().click()
  })
  lines.push({ what: 'Configuration of 2,000 values, opened: longest task', value: opened, unit: 'ms', aim: limit })
  lines.push({
    what: 'Configuration of 2,000 values, a value typed: longest task',
    value: typed,
    unit: 'ms',
    aim: limit,
  })
  lines.push({
    what: 'Configuration of 2,000 values, a group opened: longest task',
    value: expanded,
    unit: 'ms',
    aim: limit,
  })
}

test('pages of many objects', async ({ page, api, own }) => {
  const lines: Line[] = []
  try {
    await openLists(page, lines)
    await floods(page, api, own, lines)
    await output(page, api, lines)
    await configuration(page, api, lines)
  } finally {
    console.log(table(lines))
  }
  expect(missed(lines).map((l) => l.what)).toEqual([])
})
