// Replaces each file of the built portal by its gzip form, which is what the
// program embeds and serves, and fails if the first page has grown beyond its
// budget: what a browser loads for signing in and the home page, styles and fonts
// included.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'

const dist = new URL('../dist/app', import.meta.url).pathname
const budget = 450 * 1024

const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8'))
const sizes = new Map()
for (const entry of readdirSync(dist, { recursive: true })) {
  const path = join(dist, entry)
  if (!statSync(path).isFile() || entry.startsWith('.vite')) continue
  const body = readFileSync(path)
  const zipped = /\.woff2$/.test(entry) ? null : gzipSync(body, { level: 9 })
  sizes.set(relative(dist, path), (zipped ?? body).length)
  if (zipped) {
    writeFileSync(`${path}.gz`, zipped)
    rmSync(path)
  }
}
rmSync(join(dist, '.vite'), { recursive: true })

// What an entry of the manifest needs at once.
function needs(key, seen = new Set()) {
  const chunk = manifest[key]
  if (!chunk || seen.has(chunk.file)) return seen
  // Browsers load a font when a text needs it: no first page has italics or code, and
  // headings have the font of the text.
  const assets = (chunk.assets ?? []).filter((f) => !/Italic|Mono|Display/.test(f))
  for (const f of [chunk.file, ...(chunk.css ?? []), ...assets]) seen.add(f)
  for (const k of chunk.imports ?? []) needs(k, seen)
  return seen
}

// Each home page is one of two, by who signs in; the larger one counts.
const pages = ['index.html', 'src/pages/login/LoginPage.tsx', 'src/pages/home/HomePage.tsx']
const load = (home) => {
  const files = new Set(['index.html'])
  for (const key of [...pages, home]) {
    if (!manifest[key]) throw new Error(`${key} is not in the build: what the first page needs is not known`)
    for (const f of needs(key)) files.add(f)
  }
  return [...files].reduce((sum, f) => sum + (sizes.get(f) ?? 0), 0)
}
const firstLoad = Math.max(load('src/pages/home/OperatorHome.tsx'), load('src/pages/home/TenantHome.tsx'))
const total = [...sizes.values()].reduce((a, b) => a + b, 0)
const kib = (n) => `${(n / 1024).toFixed(0)} KiB`
console.log(`portal: first load ${kib(firstLoad)} of ${kib(budget)}, in all ${kib(total)}, compressed`)
if (firstLoad > budget) {
  console.error('portal: the first load is over its budget; load more on demand')
  process.exit(1)
}
