/** What is handed out of turn, as runs wait for it. */
import { expect, test } from 'vitest'
import { Awaited } from '../../src/daemon/awaited.ts'
import { Waits } from '../../src/daemon/dispatcher/waits.ts'
import type { Job } from '../../src/model/job.ts'
import { jobOf } from '../harness/jobs.ts'
import { until } from '../harness/until.ts'

const over = (jobs: Job[], room: number) => {
  const rows = new Map(jobs.map((job) => [job.id, job]))
  const busy = new Set<number>()
  const handed: string[] = []
  const forgotten: string[] = []
  const free = { room: room as number | undefined }
  let found = (_: Job): void => {}
  const awaited = new Awaited({
    clock: { now: () => 100, monotonic: () => 0 },
    find: async (id) => {
      const job = rows.get(id)
      if (job !== undefined) found(job)
      return job
    },
    ids: () => jobs.map(({ id }) => id),
    has: (id) => rows.has(id),
    room: () => free.room,
    acquire: async (job) => (busy.has(job.seq) ? undefined : busy.add(job.seq) && job),
    back: ({ seq }) => busy.delete(seq),
    forget: ({ seq, id }) => {
      busy.delete(seq)
      forgotten.push(id)
    },
    hand: (some) => {
      const room = free.room ?? 0
      const fit = some.slice(0, room)
      for (const { id } of fit) handed.push(id)
      if (free.room !== undefined) free.room -= fit.length
      return some.slice(room)
    },
    unreadable: (error) => expect.unreachable(error.message),
  })
  const whenFound = (next: (job: Job) => void): void => {
    found = next
  }
  return { awaited, rows, busy, handed, forgotten, free, whenFound }
}

test('of what is waited for the latest is handed out first, as many as there is room for', async () => {
  const { awaited, handed, free } = over(
    [1, 2, 3].map((seq) => jobOf(seq)),
    2,
  )
  awaited.feed()
  await until('two to be handed', () => handed.length === 2)
  expect(handed).toEqual(['job 3', 'job 2'])
  free.room = 1
  awaited.feed()
  await until('the last to be handed', () => handed.length === 3)
  awaited.stop()
})

test('what runs, is due later, is suspect or not there is left alone; it is handed out when it is queued anew', async () => {
  const [running, later, suspect] = [jobOf(1), jobOf(2, { due: 200 }), jobOf(3, { mark: 'suspect' })] as const
  const { awaited, busy, handed } = over([running, later, suspect, jobOf(4)], 9)
  busy.add(running.seq)
  awaited.feed()
  await until('the last to be handed', () => handed.length === 1)
  expect([...busy]).toEqual([1, 4])
  busy.delete(running.seq)
  awaited.queued([running])
  awaited.feed()
  await until('the other to be handed', () => handed.length === 2)
  expect(handed).toEqual(['job 4', 'job 1'])
  awaited.stop()
})

test('what ends, or is put off, while it is looked up is not handed out', async () => {
  const [ends, putOff] = [jobOf(1), jobOf(2)]
  const { awaited, rows, busy, handed, forgotten, whenFound } = over([ends, putOff, jobOf(3)], 9)
  whenFound((job) => {
    if (job.seq === 1) rows.delete(job.id)
    if (job.seq === 2) rows.set(job.id, { ...job, due: 200 })
  })
  awaited.feed()
  await until('all to be looked up', () => forgotten.length === 1)
  expect(handed).toEqual(['job 3'])
  expect([forgotten, [...busy]]).toEqual([['job 1'], [3]])
  awaited.stop()
})

test('where more is waited for than can be kept that is known, until whoever waits for it does so no more', () => {
  const waits = new Waits()
  waits.add(1, ['a', 'b', 'a'])
  waits.add(2, ['b'])
  expect([waits.ids(), waits.areKnown]).toEqual([['a', 'b', 'b'], true])
  waits.add(
    3,
    Array.from({ length: 200_000 }, (_, at) => String(at)),
  )
  expect(waits.areKnown).toBe(false)
  waits.remove(3)
  expect(waits.areKnown).toBe(true)
  waits.remove(1)
  expect([waits.has('a'), waits.has('b')]).toEqual([false, true])
  waits.remove(2)
  expect([waits.has('b'), waits.ids()]).toEqual([false, []])
})
