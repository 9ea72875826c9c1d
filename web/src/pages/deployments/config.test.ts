import { expect, test } from 'vitest'
import {
  entriesOf,
  hints,
  type Own,
  overridesOf,
  ownOf,
  parseKey,
  problemsOf,
  remove,
  setValue,
  treeOf,
  without,
} from './config'
import { nameProblem, suggestName } from './name'

const defaults = [
  { key: 'image.tag', value: 'latest' },
  { key: 'image.name', value: 'shop' },
  { key: 'replicas', value: '1' },
]
const entry = (own: Own[], key: string) => {
  const found = entriesOf(defaults, own).find((e) => e.key === key)
  if (!found) throw new Error(`no entry ${key}`)
  return found
}

test('a changed default is an override, and its own value again is none', () => {
  let own = setValue([], entry([], 'image.tag'), 'v2')
  expect(overridesOf(own)).toEqual([{ key: 'image.tag', value: 'v2' }])
  expect(entry(own, 'image.tag').state).toBe('changed')
  own = setValue(own, entry(own, 'image.tag'), 'latest')
  expect(own).toEqual([])
})

test('a removed default says so until it is taken back, an added value is gone', () => {
  let own = remove(ownOf([{ key: 'extra', value: 'x' }]), entry([], 'replicas'))
  expect(overridesOf(own)).toEqual([
    { key: 'extra', value: 'x' },
    { key: 'replicas', deleted: true },
  ])
  expect(entriesOf(defaults, own).map((e) => [e.key, e.state])).toEqual([
    ['extra', 'added'],
    ['image.tag', 'default'],
    ['image.name', 'default'],
    ['replicas', 'deleted'],
  ])
  own = without(own, entry(own, 'replicas'))
  own = remove(own, entry(own, 'extra'))
  expect(own).toEqual([])
})

test('a stored secret is kept unless a new value is written', () => {
  const own = ownOf([{ key: 'password', value: '***', secret: true }])
  expect(overridesOf(own)).toEqual([{ key: 'password', value: '', secret: true }])
  expect(problemsOf(own).size).toBe(0)
  const changed = setValue(own, entry(own, 'password'), 'new')
  expect(overridesOf(changed)).toEqual([{ key: 'password', value: 'new', secret: true }])
})

test('rows without a key, and keys given twice, are told', () => {
  const own: Own[] = [
    { id: 1, key: ' ', value: 'x' },
    { id: 2, key: 'a.b', value: '' },
    { id: 3, key: 'a..b', value: '', fresh: true },
    { id: 4, key: 's', value: '', secret: true },
  ]
  expect([...problemsOf(own).keys()]).toEqual([1, 3, 4])
  expect(parseKey(' a . b ')).toBe('a.b')
})

test('keys are grouped by their parts, and a group of one is none', () => {
  const tree = treeOf(entriesOf([...defaults, { key: 'a.b.c', value: '' }], []))
  expect(tree.map((g) => [g.part, g.below.map((b) => b.part)])).toEqual([
    ['image', ['tag', 'name']],
    ['replicas', []],
    ['a.b.c', []],
  ])
})

test('keys are found by some of their letters', () => {
  expect(hints('tag', ['image.name', 'image.tag', 'stage'])[0]).toEqual({ key: 'image.tag', at: [6, 7, 8] })
  expect(hints('imt', ['image.name', 'image.tag']).map((h) => h.key)).toEqual(['image.tag'])
})

test('names are made of branches as the command line makes them', async () => {
  expect(await suggestName('feature/X-123')).toBe('feature-x-123')
  expect(await suggestName('refs/heads/9')).toBe('b-9')
  expect(await suggestName('ü')).toBeUndefined()
  const long = await suggestName('feature/a-very-long-name-of-a-branch-that-nobody-can-read')
  expect(long).toBe('feature-a-very-long-name-of-a-bra-121d6d')
  expect(nameProblem(long ?? '')).toBeUndefined()
  for (const bad of ['', 'a', '1a', 'Ab', 'a_b', 'x'.repeat(41)]) expect(nameProblem(bad), bad).toBeDefined()
})
