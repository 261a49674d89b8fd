/** Who waits for which jobs, at its bounds. */
import { expect, test } from 'vitest'
import { Results, type Told } from '../../src/daemon/results.ts'
import type { Job } from '../../src/model/job.ts'
import { jobOf } from '../harness/jobs.ts'

/** As many as a daemon keeps in mind. */
const MOST = 200_000
/** Of what was told and has not been said to have arrived. */
const MOST_UNSEEN = 50_000

test('who waits when so many do that there is no room is told once there is, where he asks again', async () => {
  const told: (readonly [string, readonly Told[]])[] = []
  const results = new Results({
    clock: { now: () => 0, monotonic: () => 0 },
    tell: (client, jobs) => told.push([client.toString(), jobs]),
    find: async () => undefined,
    wasCancelled: () => false,
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

test('of what is told and never said to have arrived no more is kept in mind than a bound: those rows stay until they expire', async () => {
  const forgotten: string[] = []
  const results = new Results({
    clock: { now: () => 0, monotonic: () => 0 },
    tell: () => {},
    find: async () => undefined,
    wasCancelled: () => false,
    keep: () => {},
    forget: ({ id }) => forgotten.push(id),
    unreadable: (error) => expect.unreachable(error.message),
  })
  const [silent, other] = [Buffer.from('silent'), Buffer.from('other')]
  const ends = (at: number): void => {
    const done: Job = jobOf(at, { state: 'done', result: '[1]', expires: 60_000 })
    results.ended(done, done)
  }
  const told = (at: number, ...clients: Buffer[]): void => {
    for (const client of clients) results.wait(client, `job ${at}`, 60_000)
    ends(at)
  }
  told(0, silent)
  for (let at = 1; at < MOST_UNSEEN; at++) told(at, silent)
  told(MOST_UNSEEN, other)
  // Of these two one is not kept in mind: nor is the other then, or the row would go without it.
  results.seen(silent, ['job 0'])
  told(MOST_UNSEEN + 1, other, silent)
  results.seen(other, [`job ${MOST_UNSEEN}`, `job ${MOST_UNSEEN + 1}`])
  results.seen(silent, ['job 1'])
  told(MOST_UNSEEN + 2, other)
  results.seen(other, [`job ${MOST_UNSEEN + 2}`])
  expect(forgotten).toEqual(['job 0', 'job 1', `job ${MOST_UNSEEN + 2}`])
  results.stop()
})
