// How numbers and times are shown.
import { language, t } from './text'

const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' })
const absolute = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' })
const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 })

const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]

/** ago is how long ago a time was, or how far ahead it is, such as “5 min. ago”. */
export function ago(time: string, now = Date.now()): string {
  const s = (Date.parse(time) - now) / 1000
  if (Math.abs(s) < 5) return t.time.now
  const [unit, length] = units.find(([, n]) => Math.abs(s) >= n) ?? ['second', 1]
  return relative.format(Math.round(s / length), unit)
}

/** at is a time to the second, in the reader’s time zone. */
export const at = (time: string) => absolute.format(new Date(time))

/** count is a number with its thousands apart. */
export const count = (n: number) => number.format(n)

/** bytes is an amount of bytes in the unit that suits it. */
export function bytes(n: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  for (; n >= 1024 && i < names.length - 1; i++) n /= 1024
  return `${number.format(n)} ${names[i]}`
}

/** mebibytes is an amount that the API gives in MiB. */
export const mebibytes = (n: number) => bytes(n * 1024 * 1024)

/** lasted is how long something took from one time to another, such as “1m 05s”. */
export function lasted(from: string, to?: string): string {
  const s = Math.max(0, ((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000)
  if (s < 1) return `${Math.round(s * 1000)}ms`
  if (s < 10) return `${number.format(s)}s`
  const h = Math.floor(s / 3600)
  const m = Math.floor((s % 3600) / 60)
  const rest = String(Math.floor(s % 60)).padStart(2, '0')
  if (h > 0) return `${h}h ${String(m).padStart(2, '0')}m`
  return m > 0 ? `${m}m ${rest}s` : `${rest}s`
}
