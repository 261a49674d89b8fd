import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RecentIds } from '../../src/daemon/recent.ts'

const PERIOD = 1000

const made = () => {
  const time = { now: 0 }
  const ids = new RecentIds({ now: () => 1e12 - time.now, monotonic: () => time.now }, PERIOD)
  return { time, ids }
}

test('knows what was added, and nothing else', () => {
  const { ids } = made()
  expect(ids.has('a')).toBe(false)
  ids.add('a')
  expect([ids.has('a'), ids.has('b')]).toEqual([true, false])
})

test('whatever happens when: an id is remembered for a period, and forgotten within three', () => {
  const step = fc.record({ wait: fc.nat(2500), id: fc.nat(5), add: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { time, ids } = made()
      const added = new Map<number, number>()
      for (const { wait, id, add } of steps) {
        time.now += wait
        if (add) {
          ids.add(String(id))
          added.set(id, time.now)
        }
        const age = time.now - (added.get(id) ?? Number.NEGATIVE_INFINITY)
        if (age < PERIOD) expect([id, age, ids.has(String(id))]).toEqual([id, age, true])
        if (age >= 3 * PERIOD) expect([id, age, ids.has(String(id))]).toEqual([id, age, false])
      }
    }),
    { numRuns: 1000 },
  )
})

test('goes by the monotonic clock: a date that is set back keeps nothing longer', () => {
  const { time, ids } = made()
  ids.add('a')
  time.now = 3 * PERIOD
  expect(ids.has('a')).toBe(false)
})

test('is bounded: of a million ids in one period the last hundred thousand are known', () => {
  const { ids } = made()
  for (let i = 0; i < 1_000_000; i++) ids.add(`id ${i}`)
  let known = 0
  for (let i = 0; i < 1_000_000; i++) if (ids.has(`id ${i}`)) known++
  expect(known).toBeLessThanOrEqual(200_000)
  for (const i of [900_001, 950_000, 999_999]) expect([i, ids.has(`id ${i}`)]).toEqual([i, true])
})
