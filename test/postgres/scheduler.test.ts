/** Whose turn it is where daemons share a database: what the scheduler knows comes later than what its claims find. */
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { SharedScheduler } from '../../src/daemon/shared-scheduler.ts'
import type { Job } from '../../src/model/job.ts'
import { migrate } from '../../src/store/migrate.ts'
import { PostgresStore } from '../../src/store/postgres.ts'
import { newJobOf } from '../harness/jobs.ts'
import { TcpProxy } from '../harness/proxy.ts'
import { until } from '../harness/until.ts'

let store: PostgresStore
let scheduler: SharedScheduler
let removed: string[]

beforeEach(async () => {
  store = new PostgresStore({ url: inject('postgres'), schema: `ztask_test_${randomUUID()}` })
  await migrate(store)
  await store.boot(process.pid, 'tcp://here', 0)
  removed = []
  scheduler = new SharedScheduler({
    ...{ store, clock: systemClock, wake: () => {} },
    remove: ({ id }) => void removed.push(id),
    unreadable: (error) => {
      throw error
    },
  })
})

afterEach(async () => {
  scheduler.stop()
  await store.close()
})

const insert = async (claims: number): Promise<Job> => {
  const { inserted } = await store.commit({ insert: [newJobOf('job')], save: [], remove: [], claims })
  return inserted[0] as Job
}

const isInHand = (): Promise<true> =>
  until('it to be claimed', async () => ((await store.find('job'))?.claim ?? null) !== null || undefined)

test('a job that is claimed anew before it is known here that it is free waits for that, and runs once', async () => {
  const job = await insert(1)
  scheduler.arrive([job])
  expect(scheduler.take(1)).toEqual([job])
  const retried = { ...job, attempts: 1 }
  await store.commit({ insert: [], save: [retried], remove: [] })
  scheduler.refill()
  expect(scheduler.take(1)).toEqual([])
  await isInHand()
  await until('the claims to have ended', () => scheduler.take(1).length === 0 && scheduler.mayClaim)
  expect(scheduler.isBusy(job.seq)).toBe(true)
  scheduler.add([{ ...retried, claim: null }])
  const again = scheduler.take(2)
  expect(again).toMatchObject([{ id: 'job', attempts: 1 }])
  expect(again[0]?.claim).not.toBe(job.claim)
})

test('a new job that is claimed before it is known here to be stored is not begun twice', async () => {
  const job = await insert(0)
  scheduler.refill()
  const taken = await until('it to be claimed and taken', () => {
    const jobs = scheduler.take(1)
    return jobs.length > 0 ? jobs : undefined
  })
  expect(taken).toMatchObject([{ id: 'job' }])
  scheduler.arrive([job])
  expect(scheduler.isBusy(job.seq)).toBe(true)
  expect(scheduler.take(1)).toEqual([])
})

test('what finds no room is given back, and claimed again when there is some; what runs is not', async () => {
  const insert = [newJobOf('runs', { due: 1 }), newJobOf('job', { due: 2 })]
  const { inserted } = await store.commit({ insert, save: [], remove: [], claims: 2 })
  scheduler.arrive(inserted)
  expect(scheduler.take(1)).toMatchObject([{ id: 'runs' }])
  await until('the other to be free', async () => (await store.find('job'))?.claim === null)
  expect((await store.find('runs'))?.claim).toBe(inserted[0]?.claim)
  const jobs = await until('it to be taken', () => {
    const taken = scheduler.take(1)
    return taken.length > 0 ? taken : undefined
  })
  expect(jobs).toMatchObject([{ id: 'job' }])
})

test('a job that another daemon has cancelled is removed by whoever claims it', async () => {
  const job = await insert(1)
  await store.commit({ insert: [], save: [], mark: [{ ...job, mark: 'cancelled' }], remove: [] })
  await store.release([job])
  scheduler.refill()
  expect(scheduler.take(1)).toEqual([])
  await until('it to be removed', () => removed.length > 0)
  expect(removed).toEqual(['job'])
  expect(scheduler.take(1)).toEqual([])
})

test('what was given back though the answer was lost is not begun by the claim that it had', async () => {
  const proxy = await TcpProxy.to(inject('postgres'))
  onTestFinished(() => proxy.close())
  const url = new URL(inject('postgres'))
  url.host = new URL(proxy.url).host
  const far = new PostgresStore({ url: url.href, schema: store.schema })
  await far.boot(process.pid, 'tcp://far', 0)
  onTestFinished(() => far.close())
  const errors: Error[] = []
  const other = new SharedScheduler({
    ...{ store: far, clock: systemClock, wake: () => {} },
    remove: () => {},
    unreadable: (error) => void errors.push(error),
  })
  onTestFinished(() => other.stop())
  const { inserted } = await far.commit({ insert: [newJobOf('job')], save: [], remove: [], claims: 1 })
  await far.find('job')
  other.arrive(inserted)
  proxy.losesAnswers = true
  await until('it to be free', async () => (await store.claim(0, 1, 2000)).length > 0)
  proxy.cut()
  proxy.losesAnswers = false
  await until('it to be told', () => errors.length > 0)
  expect(other.take(1)).toEqual([])
})
