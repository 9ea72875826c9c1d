import { describe, expect, test } from 'vitest'
import { lasted } from './format'
import { t } from './text'

describe('how long something took', () => {
  test.each([
    [40, '40ms'],
    [1500, '1.5s'],
    [12_000, '12s'],
    [65_000, '1m 05s'],
    [3_900_000, '1h 05m'],
  ])('%i ms is %s', (ms, text) => {
    const from = new Date('2026-01-01T00:00:00Z')
    expect(lasted(from.toISOString(), new Date(from.getTime() + ms).toISOString())).toBe(text)
  })
})

describe('an operation in words', () => {
  test.each([
    ['machine.create', 'web-1', 'Create machine web-1'],
    ['port-forward.delete', undefined, 'Delete port forward'],
    ['run', 'uname -a', 'Run uname -a'],
  ])('%s %s is %s', (kind, name, text) => {
    expect(t.tasks.name(kind, name)).toBe(text)
  })
})
