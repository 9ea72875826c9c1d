import { describe, expect, it } from 'vitest'
import { Changes } from './feed'

describe('touch', () => {
  for (const [name, path, params, changed, want] of [
    ['a list of the kind', '/api/v1/machines', {}, [{ kind: 'machine', id: '1' }], true],
    ['the object', '/api/v1/machines/{machine}', { machine: '1' }, [{ kind: 'machine', id: '1' }], true],
    ['another object', '/api/v1/machines/{machine}', { machine: '2' }, [{ kind: 'machine', id: '1' }], false],
    ['any of the kind', '/api/v1/machines/{machine}', { machine: '2' }, [{ kind: 'machine' }], true],
    ['another kind', '/api/v1/machines', {}, [{ kind: 'node', id: '1' }], false],
    [
      'a list inside another object',
      '/api/v1/operations/{operation}/jobs',
      { operation: '9' },
      [{ kind: 'job', id: '1' }],
      true,
    ],
    ['a quota of an account', '/api/v1/accounts/{account}/quota', { account: '5' }, [{ kind: 'quota' }], true],
    ['a kind with a dash', '/api/v1/port-forwards', {}, [{ kind: 'port-forward', id: '1' }], true],
    ['who is signed in', '/api/v1/me', {}, [{ kind: 'me' }], true],
    ['a key that is no path', 'named', {}, [{ kind: 'machine' }], false],
  ] as const)
    it(name, () => {
      const changes = new Changes()
      for (const c of changed) changes.add(c)
      expect(changes.touch(path, params)).toBe(want)
    })
})
