import { expect, test } from 'vitest'
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
