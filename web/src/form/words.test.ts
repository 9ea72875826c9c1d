import { expect, it } from 'vitest'
import { quote } from './request'
import { words } from './words'

it('splits as a shell does', () => {
  expect(words('uname -a')).toEqual(['uname', '-a'])
  expect(words(`  echo 'two words' "and \\"more\\"" '' `)).toEqual(['echo', 'two words', 'and "more"', ''])
  expect(words(`sh -c "for i in 1 2; do echo $i; done"`)).toEqual(['sh', '-c', 'for i in 1 2; do echo $i; done'])
  expect(words(`a'b'"c"\\ d`)).toEqual(['abc d'])
})

it('takes back what was quoted', () => {
  for (const word of ['plain', 'two words', "it's", '"', '\\', '$(id)', ''])
    expect(words(quote(word)), word).toEqual([word])
})
