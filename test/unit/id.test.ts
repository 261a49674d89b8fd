import { validate, version } from 'uuid'
import { expect, test } from 'vitest'
import { newId } from '../../src/client/id.ts'

test('each id is a UUID of version 7 above the one before it, also within a millisecond', () => {
  const before = Date.now()
  const ids = Array.from({ length: 20_000 }, newId)
  const after = Date.now()
  expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true)
  expect(ids).toEqual([...new Set(ids)].sort())
  const times = ids.map((id) => Number.parseInt(id.replace('-', '').slice(0, 12), 16))
  expect(times[0]).toBeGreaterThanOrEqual(before)
  expect(times.at(-1)).toBeLessThanOrEqual(after)
  expect(times.at(-1), 'many share one').toBeLessThan(before + ids.length)
})

test('ids made while the clock stands still or goes back go on from the last', ({ onTestFinished }) => {
  const { now } = Date
  onTestFinished(() => {
    Date.now = now
  })
  const first = newId()
  Date.now = () => now() - 3_600_000
  expect(newId() > first).toBe(true)
})
