// How fast pages are with ten thousand jobs and their events: from the click to the
// rows, without the time that the network and the controller took; and whether a
// flood of changes makes the page stop. Measured on a quiet machine: make bench-portal.

import type { Page } from '@playwright/test'
import { expect, testWith } from '../e2e/test'

const many = 10_000
const limit = 200 // ms, of 95 in 100 times
const rounds = 20

const test = testWith(10, async (api) => {
  const job = { action: 'noop', role: 'compute' }
  for (let i = 0; i < many; i += 1000) await api.call('POST', '/jobs:batch', { jobs: Array(1000).fill(job) }, 0)
  const left = async () => (await api.call<{ items: unknown[] }>('GET', '/jobs?filter=state=queued&limit=1')).items
  await expect.poll(async () => (await left()).length, { timeout: 200_000 }).toBe(0)
})

test.describe.configure({ mode: 'default' })

// One change of the page by a link of the navigation: the time until rows are there,
// less the time in which a call for them was under way.
async function change(page: Page, link: string, grid: string): Promise<number> {
  return page.evaluate(
    async ([link, grid]: readonly [string, string]) => {
      const a = [...document.querySelectorAll<HTMLAnchorElement>('nav a')].find((e) => e.textContent === link)
      performance.clearResourceTimings()
      const begin = performance.now()
      a?.click()
      await new Promise<void>((done) => {
        const look = () => {
          const rows = `table[aria-label="${grid}"]:not([aria-busy="true"]) tbody td`
          if (document.querySelector(`${rows} a, ${rows} button`)) requestAnimationFrame(() => done())
          else requestAnimationFrame(look)
        }
        look()
      })
      const end = performance.now()
      // Calls overlap: what counts is the time in which any was under way.
      const calls = (performance.getEntriesByType('resource') as PerformanceResourceTiming[])
        .filter((r) => r.startTime >= begin && r.responseEnd <= end)
        .sort((x, y) => x.startTime - y.startTime)
      let [network, until] = [0, begin]
      for (const c of calls) {
        network += Math.max(0, c.responseEnd - Math.max(c.startTime, until))
        until = Math.max(until, c.responseEnd)
      }
      return end - begin - network
    },
    [link, grid] as const,
  )
}

for (const [link, grid] of [
  ['Jobs', 'Jobs'],
  ['Audit log', 'Audit log'],
  ['Nodes', 'Nodes'],
] as const)
  test(`${link} of ten thousand is there in ${limit} ms`, async ({ page }) => {
    await page.goto('/sizes')
    await expect(page.getByRole('grid', { name: 'Sizes' })).toBeVisible()
    await change(page, link, grid) // the code of the page is there from the second time on
    const took: number[] = []
    for (let i = 0; i < rounds; i++) {
      await change(page, 'Sizes', 'Sizes')
      took.push(await change(page, link, grid))
    }
    took.sort((a, b) => a - b)
    const p95 = took[Math.ceil(rounds * 0.95) - 1] ?? 0
    console.log(`${link}: median ${Math.round(took[rounds >> 1] ?? 0)} ms, p95 ${Math.round(p95)} ms`)
    expect(p95).toBeLessThanOrEqual(limit)
  })

testWith(3)('a hundred changes a second do not make the page stop', async ({ page, api }) => {
  const size = await api.call<{ id: string }>('POST', '/sizes', {
    name: 'busy',
    vcpus: 1,
    memory_mib: 64,
    disk_gib: 1,
  })
  await page.goto('/events')
  await expect(page.getByRole('grid', { name: 'Audit log' })).toBeVisible()
  await page.evaluate(() => {
    const w = window as unknown as { longest: number }
    w.longest = 0
    new PerformanceObserver((list) => {
      for (const e of list.getEntries()) w.longest = Math.max(w.longest, e.duration)
    }).observe({ type: 'longtask', buffered: false })
  })
  const begin = Date.now()
  let made = 0
  const turns: Promise<unknown>[] = []
  while (Date.now() - begin < 5000) {
    const n = ++made
    turns.push(api.call('PATCH', `/sizes/${size.id}`, { disk_gib: (n % 60_000) + 1 }))
    if (turns.length >= 20) await turns.shift()
    const ahead = made * 10 - (Date.now() - begin) // no more than a hundred a second
    if (ahead > 0) await new Promise((done) => setTimeout(done, ahead))
  }
  await Promise.all(turns)
  const longest = await page.evaluate(() => (window as unknown as { longest: number }).longest)
  console.log(`${made} changes in 5 s: longest task of the page ${Math.round(longest)} ms`)
  expect(longest).toBeLessThanOrEqual(200)
})
