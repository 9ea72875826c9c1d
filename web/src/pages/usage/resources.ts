// The resources that the ledger counts, for people.
import { bytes, count, mebibytes } from '@/format'
import { t } from '@/text'

/** resourceName is what a resource is called. */
export const resourceName = (r: string) => t.usage.resources[r] ?? r

/** amountOf is an amount of a resource in the unit that people know. */
export function amountOf(resource: string, n: number): string {
  if (resource.endsWith('memory_mib')) return mebibytes(n)
  if (resource === 'disk_gib') return bytes(n * 1024 ** 3)
  return count(n)
}

/** unitOf is the unit that a resource’s limits are given in, if it has one. */
export function unitOf(resource: string): string {
  if (resource.endsWith('_mib')) return t.usage.inMiB
  return resource.endsWith('_gib') ? t.usage.inGiB : ''
}

/** resources are those that limits can be set for, in the order in which they are shown. */
export const resources = Object.keys(t.usage.resources)
