/** Who waits for which jobs, at its bounds. */
import { expect, test } from 'vitest'
import { Results, type Told } from '../../src/daemon/results.ts'
import { jobOf } from '../harness/jobs.ts'

/** As many as a daemon keeps in mind. */
const MOST = 200_000

test('who waits when so many do that there is no room is told once there is, where he asks again', async () => {
  const told: (readonly [string, readonly Told[]])[] = []
  const results = new Results({
    clock: { now: () => 0, monotonic: () => 0 },
    tell: (client, jobs) => told.push([client.toString(), jobs]),
    find: async () => undefined,
    keep: () => {},
    forget: () => {},
    unreadable: (error) => expect.unreachable(error.message),
  })
  const [many, late] = [Buffer.from('many'), Buffer.from('late')]
  for (let at = 0; at < MOST; at++) results.wait(many, `job ${at}`, 60_000)
  // Another wait of the same client for the same job takes no more room.
  results.wait(many, 'job 0', 70_000)
  const asks = async (): Promise<void> => {
    await results.ask(late, [['mine', 60_000]])
    await new Promise((resolve) => setImmediate(resolve))
  }
  await asks()
  expect(told).toEqual([])
  results.ended(jobOf(1, { id: 'job 7' }), undefined)
  await asks()
  expect(told).toEqual([
    ['many', [['job 7', { kind: 'gone' }]]],
    ['late', [['mine', { kind: 'gone' }]]],
  ])
  results.stop()
})
