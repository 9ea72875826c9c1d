import { expect, test } from 'vitest'
import { pieces } from './Marked'

const cut = (text: string, ranges: number[][]) =>
  pieces(text, ranges)
    .map((p) => (p.marked ? `[${p.text}]` : p.text))
    .join('')

test('marks are where the ranges are, counted in characters', () => {
  expect(cut('feature-orange', [[8, 14]])).toBe('feature-[orange]')
  expect(
    cut('orange', [
      [0, 1],
      [2, 4],
    ]),
  ).toBe('[o]r[an]ge')
  expect(cut('🍊 orange', [[2, 8]])).toBe('🍊 [orange]')
  expect(cut('plain', [])).toBe('plain')
  expect(cut('', [])).toBe('')
  expect(cut('short', [[3, 90]])).toBe('sho[rt]')
})
