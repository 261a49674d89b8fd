import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { failureOf } from '../../src/model/outcome.ts'
import { outcomeOf } from '../../src/worker/perform.ts'

test('an error of another realm is an error, as its cause is', () => {
  const thrown = runInNewContext("new TypeError('outer', { cause: new RangeError('inner') })")
  expect(thrown).not.toBeInstanceOf(Error)
  expect(failureOf(thrown)).toMatchObject({
    name: 'TypeError',
    message: 'outer',
    stack: expect.stringContaining('TypeError: outer'),
    cause: { name: 'RangeError', message: 'inner' },
  })
})

test('so is a DOMException, which is no native error in Node 22', () => {
  const told = { name: 'AbortError', message: 'This operation was aborted', stack: 'AbortError: …' }
  expect(failureOf({ ...told, [Symbol.toStringTag]: 'DOMException' })).toEqual(told)
})

test.each([
  [{ name: 'Error', message: 'no' }, '{"name":"Error","message":"no"}'],
  ['no', 'no'],
  [undefined, 'undefined'],
])('%j is no error', (thrown, message) => {
  expect(failureOf(thrown)).toEqual({ name: 'NonErrorThrown', message, stack: '' })
})

test('an error of another copy of ztask says the same', () => {
  const gone = Object.assign(new Error('gone'), { code: 'ZTASK_TASK_MISSING', data: { task: 'a' } })
  expect(outcomeOf(gone, 'a')).toEqual({ kind: 'missing', reason: 'gone' })
  expect(outcomeOf(gone, 'b')).toMatchObject({ kind: 'threw', failure: { message: 'gone' } })
})
