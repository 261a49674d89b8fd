/** Who watches a job that changes while it is looked up. */
import { expect, test } from 'vitest'
import { Progresses } from '../../src/daemon/progress.ts'
import type { Job } from '../../src/model/job.ts'
import { jobOf } from '../harness/jobs.ts'

const CLIENT = Buffer.from('client')

/** @param found called when a job is found, and before that is known */
const over = (find: (id: string) => Job | undefined, found: (progresses: Progresses, id: string) => void) => {
  const told: unknown[] = []
  const progresses: Progresses = new Progresses({
    clock: { now: () => 0, monotonic: () => 0 },
    tell: (_, jobs) => told.push(...jobs),
    find: async (id) => {
      const job = find(id)
      found(progresses, id)
      return job
    },
    unreadable: (error) => expect.unreachable(error.message),
  })
  return { progresses, told }
}

test('a job that ends while it is looked up is told to be over', async () => {
  const job = jobOf(1)
  const { progresses, told } = over(
    () => job,
    (all) => all.ended(job),
  )
  await progresses.watch(CLIENT, [[job.id, 60_000]])
  expect(told).toContainEqual([job.id, null])
  progresses.stop()
})

test('who watches is not told at last how far a job was before', async () => {
  const [one, other] = [jobOf(1), jobOf(2)]
  const { progresses, told } = over(
    (id) => (id === one.id ? one : other),
    (all, id) => {
      if (id === other.id) all.say([[one, { fraction: 0.5, message: undefined }]])
    },
  )
  progresses.say([[one, { fraction: 0.25, message: undefined }]])
  await progresses.watch(CLIENT, [
    [one.id, 60_000],
    [other.id, 60_000],
  ])
  expect(told.findLast((each) => (each as [string])[0] === one.id)).toEqual([
    one.id,
    { fraction: 0.5, message: undefined },
  ])
  progresses.stop()
})

test('of a job that is over nobody is told anything more', async () => {
  const { progresses, told } = over(
    () => undefined,
    () => {},
  )
  await progresses.watch(CLIENT, [['gone', 60_000]])
  progresses.say([[jobOf(1, { id: 'gone' }), { fraction: 0.5, message: undefined }]])
  expect(told).toEqual([['gone', null]])
  progresses.stop()
})
