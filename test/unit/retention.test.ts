import { expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Retention } from '../../src/daemon/retention.ts'
import { until } from '../harness/until.ts'

test('a record that expires while others are being removed goes, too; and it is asked for no more where there is none', async () => {
  const expiries = [0]
  let looks = 0
  const slow = Promise.withResolvers<void>()
  const retention = new Retention({
    clock: systemClock,
    failed: (error) => expect.unreachable(error.message),
    store: {
      removeExpired: async (now) => {
        if (looks++ === 0) await slow.promise
        const gone = expiries.filter((at) => at <= now)
        for (const at of gone) expiries.splice(expiries.indexOf(at), 1)
        return gone.length
      },
      nextExpiry: async () => (expiries.length === 0 ? undefined : Math.min(...expiries)),
    },
  })
  retention.start()
  await until('the first look', () => looks === 1)
  // While it is under way, and so long that its alarm rings.
  expiries.push(Date.now() - 1000)
  retention.expires(Date.now() - 1000)
  await new Promise((resolve) => setTimeout(resolve, 50))
  slow.resolve()
  await until('all to be gone', () => expiries.length === 0)
  const before = looks
  expiries.push(Date.now() - 1000)
  retention.expires(Date.now() - 1000)
  await until('the last to be gone', () => expiries.length === 0)
  expect(looks).toBeGreaterThan(before)
  retention.stop()
})

test('a database that fails is told, and tried again', async () => {
  const told: string[] = []
  const retention = new Retention({
    clock: { now: () => 0, monotonic: () => 0 },
    failed: (error) => told.push(error.message),
    store: { removeExpired: () => Promise.reject(new Error('locked')), nextExpiry: async () => undefined },
  })
  retention.start()
  await until('it to be told', () => told.length === 1)
  retention.stop()
})

/** A record's time and how many expire then. */
type Expiry = [at: number, count: number]

/**
 * A retention of which the clock is the test's. Each second so many records expire as `expire` says.
 *
 * @returns what passed, ms, between each two of the first statements that remove some
 */
const pausesOf = async (
  statements: number,
  backlog: number,
  expire: (second: number) => number,
): Promise<number[]> => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const begun = Date.now()
  const expiries: Expiry[] = [[0, backlog]]
  for (let second = 0; second < 300; second++) expiries.push([begun + second * 1000, expire(second)])
  const at: number[] = []
  const retention = new Retention({
    clock: { now: () => Date.now(), monotonic: () => Date.now() },
    failed: (error) => expect.unreachable(error.message),
    store: {
      removeExpired: async (now, limit) => {
        const [first] = expiries as [Expiry]
        if (first[0] > now) return 0
        at.push(Date.now())
        const gone = Math.min(limit, first[1])
        first[1] -= gone
        if (first[1] === 0) expiries.shift()
        return gone
      },
      nextExpiry: async () => expiries[0]?.[0],
    },
  })
  retention.start()
  while (at.length < statements) await vi.advanceTimersByTimeAsync(100)
  retention.stop()
  return at.slice(1, statements).map((each, index) => each - (at[index] ?? 0))
}

test('a backlog, however large, goes with long pauses where no more expire than go', async () => {
  const pauses = await pausesOf(3000, 400_000, () => 5000)
  expect(Math.min(...pauses)).toBe(20)
})

test('where more expire than go the pauses are short, and no shorter; and long again when it has caught up', async () => {
  const pauses = await pausesOf(4500, 1000, (second) => (second < 30 ? 20_000 : 5000))
  expect(Math.min(...pauses)).toBe(5)
  expect(pauses.at(-1)).toBeGreaterThanOrEqual(20)
})
