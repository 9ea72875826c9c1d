// How the portal's speed is measured in the browser, and the table of what was found.
import type { Page } from '@playwright/test'

/** Shown says when something is shown: a selector of what is there then. */
export type Shown = { selector: string; unlike?: string }

/**
 * interactive is how long a page takes from a click until what it leads to is there
 * and drawn, less the time in which a call was under way: that is the network's and
 * the controller's. With unlike, what is there must be another than that.
 */
export const interactive = (page: Page, click: string, { selector, unlike }: Shown) =>
  page.evaluate(
    async ([click, selector, unlike]) => {
      const target = [...document.querySelectorAll<HTMLElement>('nav a, nav button, main button, main th button')].find(
        (e) => e.textContent === click,
      )
      if (!target) throw new Error(`there is no ${click}`)
      performance.clearResourceTimings()
      const begin = performance.now()
      target.click()
      await new Promise<void>((done) => {
        const look = () => {
          const found = document.querySelector(selector)
          if (found && found.outerHTML !== unlike) requestAnimationFrame(() => done())
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
    [click, selector, unlike] as const,
  )

/** longestTask is how long the page's longest task was while work was done. */
export async function longestTask(page: Page, work: () => Promise<unknown>): Promise<number> {
  await page.evaluate(() => {
    const w = window as unknown as { longest: number; observer?: PerformanceObserver }
    w.observer?.disconnect()
    w.longest = 0
    w.observer = new PerformanceObserver((list) => {
      for (const e of list.getEntries()) w.longest = Math.max(w.longest, e.duration)
    })
    w.observer.observe({ type: 'longtask', buffered: false })
  })
  await work()
  return page.evaluate(() => (window as unknown as { longest: number }).longest)
}

/** flood calls make a hundred times a second, as long as it is said. */
export async function flood(ms: number, make: (n: number) => Promise<unknown>): Promise<number> {
  const begin = Date.now()
  let made = 0
  const turns: Promise<unknown>[] = []
  while (Date.now() - begin < ms) {
    turns.push(make(++made))
    if (turns.length >= 20) await turns.shift()
    const ahead = made * 10 - (Date.now() - begin)
    if (ahead > 0) await new Promise((done) => setTimeout(done, ahead))
  }
  await Promise.all(turns)
  return (made * 1000) / ms
}

/** percentile is the value that a share of all do not exceed. */
export function percentile(all: number[], share: number): number {
  const sorted = [...all].sort((x, y) => x - y)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
}

/** Line is one figure; without an aim it is only told. */
export type Line = { what: string; value: number; unit: string; aim?: number }

/** missed are the lines that are over their aim. */
export const missed = (lines: Line[]) => lines.filter((l) => l.aim !== undefined && l.value > l.aim)

/** table is the lines as a table in Markdown. */
export function table(lines: Line[]): string {
  const rows = lines.map((l) => [
    l.what,
    `${Math.round(l.value)} ${l.unit}`,
    l.aim === undefined ? '' : `≤ ${l.aim}`,
    l.aim === undefined ? '' : l.value > l.aim ? 'missed' : 'met',
  ])
  const all = [['Measured', 'Portal', 'Aim', ''], ...rows]
  const widths = all[0]?.map((_, i) => Math.max(...all.map((r) => r[i]?.length ?? 0))) ?? []
  const line = (r: string[]) => `| ${r.map((c, i) => c.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((w) => '-'.repeat(w + 2)).join('|')}|`
  return [line(all[0] ?? []), rule, ...rows.map(line)].join('\n')
}
