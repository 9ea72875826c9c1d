import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { command, curl, flag, quote } from './request'

// A name may be anything: what is shown must be that one word for a real shell too.
describe('quote', () => {
  for (const text of ['web-1', 'two words', "it's", '$(id)', '`id`', '"', 'a\nb', '‮right to left', '-rf'])
    it(JSON.stringify(text), () =>
      expect(execFileSync('sh', ['-c', `printf %s ${quote(text)}`], { encoding: 'utf8' })).toBe(text),
    )
})

it('leaves out flags without a value', () => {
  expect(
    command({ method: 'POST', path: '/x', cli: ['machine create web', flag('size', ''), flag('image', 'mini')] }),
  ).toBe('atoll machine create web --image mini')
})

it('makes a call of curl', () => {
  expect(
    curl({
      method: 'POST',
      path: '/machines',
      query: { dry_run: 'true', none: undefined },
      body: { name: "o'b" },
      cli: [],
    }),
  ).toBe(
    `curl -X POST -H "Authorization: Bearer $ATOLL_TOKEN" \\
  -H 'Content-Type: application/json' -d '{"name":"o'\\''b"}' \\
  "$ATOLL_URL/api/v1/machines?dry_run=true"`,
  )
})
