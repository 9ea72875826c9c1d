import { expect, it } from 'vitest'
import { diff } from './diff'

const shown = (a: string, b: string) =>
  diff(a, b)
    .map((l) => l.sign + l.text)
    .join('\n')

it('says what was added and removed', () => {
  expect(shown('a\nb\nc\nd\n', 'a\nc\nx\nd\n')).toBe(' a\n-b\n c\n+x\n d')
  expect(shown('', 'a\nb\n')).toBe('+a\n+b')
  expect(shown('a\n', '')).toBe('-a')
  expect(shown('same\n', 'same\n')).toBe(' same')
})

// Each text must come back from the lines that are in it.
it('loses nothing', () => {
  const words = ['a', 'b', 'c', '', 'd']
  let seed = 1
  const next = (n: number) => {
    seed = (seed * 48271) % 2147483647
    return seed % n
  }
  for (let i = 0; i < 300; i++) {
    const [a, b] = [0, 1].map(() => Array.from({ length: 1 + next(12) }, () => words[next(words.length)]).join('\n'))
    const lines = diff(`${a}\n`, `${b}\n`)
    const of = (sign: string) =>
      lines
        .filter((l) => l.sign === ' ' || l.sign === sign)
        .map((l) => l.text)
        .join('\n')
    expect(of('-')).toBe(a)
    expect(of('+')).toBe(b)
  }
})
