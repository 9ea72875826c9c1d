// Names of deployments, by the rules of the server.
import { t } from '@/text'

const longest = 40

/** nameProblem says what is wrong with a name, or nothing. */
export function nameProblem(name: string): string | undefined {
  if (!name) return t.form.required
  if (name.length < 2 || name.length > longest) return t.deployments.nameLength(name.length)
  if (!/^[a-z]/.test(name)) return t.deployments.nameBegins
  if (!/^[a-z0-9-]+$/.test(name)) return t.deployments.nameLetters
  return undefined
}

/**
 * suggestName makes a valid name of a branch, as `atoll deployment name --branch`
 * does: feature/X-123 becomes feature-x-123. What is too long ends in a hash of the
 * whole, which browsers compute on protected pages alone; without it there is none.
 */
export async function suggestName(text: string): Promise<string | undefined> {
  let name = text
    .replace(/^refs\/heads\//, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  if (!name) return undefined
  if (/^[0-9]/.test(name)) name = `b-${name}`
  if (name.length === 1) name += '-0'
  if (name.length <= longest) return name
  if (!globalThis.crypto?.subtle) return undefined
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  const sum = Array.from(hash.slice(0, 3), (b) => b.toString(16).padStart(2, '0')).join('')
  return `${name.slice(0, longest - sum.length - 1).replace(/-+$/, '')}-${sum}`
}
