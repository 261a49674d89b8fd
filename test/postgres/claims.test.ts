/** Which daemon has a job in hand: the store's part of it, on a real server. */
import { hash, randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest'
import type { Job, Mark } from '../../src/model/job.ts'
import { migrate } from '../../src/store/migrate.ts'
import { type PostgresOptions, PostgresStore } from '../../src/store/postgres.ts'
import type { Word } from '../../src/store/store.ts'
import { newJobOf } from '../harness/jobs.ts'
import { TcpProxy } from '../harness/proxy.ts'
import { until } from '../harness/until.ts'

const NEVER = 3_600_000

let schema: string
const open: PostgresStore[] = []

const node = async (options: Partial<PostgresOptions> = {}): Promise<PostgresStore> => {
  const store = new PostgresStore({ url: inject('postgres'), schema, ...options })
  open.push(store)
  await migrate(store)
  await store.boot(process.pid, 'tcp://here', 0)
  return store
}

let one: PostgresStore
let other: PostgresStore

beforeEach(async () => {
  schema = `ztask_test_${randomUUID()}`
  one = await node()
  other = await node()
})

afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

/** What stands between a daemon and the server. */
const between = async (): Promise<TcpProxy> => {
  const proxy = await TcpProxy.to(inject('postgres'))
  onTestFinished(() => proxy.close())
  return proxy
}

const urlBy = (proxy: TcpProxy): string => {
  const url = new URL(inject('postgres'))
  url.host = new URL(proxy.url).host
  return url.href
}

const sql = async (text: string): Promise<Record<string, unknown>[]> => {
  const client = new pg.Client({ connectionString: inject('postgres'), options: `-c search_path=${schema}` })
  await client.connect()
  const { rows } = await client.query(text)
  await client.end()
  return rows
}

const insert = async (store: PostgresStore, count: number, claims = 0): Promise<readonly Job[]> => {
  const jobs = Array.from({ length: count }, (_, at) => newJobOf(`job ${at}`, { due: 1000 - at }))
  return (await store.commit({ insert: jobs, save: [], remove: [], claims })).inserted
}

/** Resolves when these jobs are free, and claims them. */
const become = async (free: readonly string[]): Promise<void> => {
  const claimed: string[] = []
  await until('them to be free', async () => {
    claimed.push(...ids(await one.claim(0, 10, 2000)))
    return claimed.length >= free.length
  })
  expect(claimed.sort()).toEqual(free)
}

const ids = (jobs: readonly Job[]): string[] => jobs.map(({ id }) => id)

test('free jobs are claimed in their turn, each by one', async () => {
  await insert(one, 50)
  await one.commit({ insert: [newJobOf('first', { due: 1, priority: 3 })], save: [], remove: [] })
  expect(await other.priorities()).toEqual([3, 0])
  expect(ids(await other.claim(3, 10, 2000))).toEqual(['first'])
  expect(ids(await one.claim(0, 2, 2000)).sort()).toEqual(['job 48', 'job 49'])
  const parts = await Promise.all([one, other, one, other].map((store) => store.claim(0, 12, 2000)))
  expect(parts.map(({ length }) => length)).toEqual([12, 12, 12, 12])
  expect(new Set(parts.flat().map(({ id }) => id)).size).toBe(48)
  expect(await one.claim(0, 10, 2000)).toEqual([])
  expect(await one.nextFree()).toBeUndefined()
})

test('what is not due is free, and is told to be due', async () => {
  await insert(one, 3)
  expect(await one.claim(0, 10, 997)).toEqual([])
  expect(await one.nextFree()).toBe(998)
  expect(ids(await one.claim(0, 10, 998))).toEqual(['job 2'])
  expect(await other.nextFree()).toBe(999)
})

test('of new jobs so many are in hand from the first as there is room for', async () => {
  const jobs = await insert(one, 5, 2)
  expect(jobs.map(({ claim }) => claim !== null)).toEqual([true, true, false, false, false])
  expect(await other.claim(0, 10, 2000)).toHaveLength(3)
})

test('what is written of a job that is in other hands changes nothing, and is told', async () => {
  const [job] = (await insert(one, 1, 1)) as [Job]
  const lost: string[] = []
  // The one is taken for dead by the other, which has it now.
  await sql(`update nodes set seen = '-infinity' where id = (select min(id) from nodes)`)
  await sql(`update nodes set seen = now() where id = (select max(id) from nodes)`)
  await one.commit({ insert: [], save: [], mark: [{ ...job, mark: 'started' }], remove: [] })
  expect((await other.renew(NEVER, true)).underWay).toMatchObject([{ id: 'job 0', mark: 'started' }])
  expect(await one.renew(NEVER, true)).toMatchObject({ isAlive: false })
  for (const batch of [
    { save: [], remove: [job] },
    { save: [{ ...job, state: 'failed' as const }], remove: [] },
    { save: [], mark: [job], remove: [] },
  ])
    lost.push(...ids((await one.commit({ insert: [], ...batch })).lost))
  expect(lost).toEqual(['job 0', 'job 0', 'job 0'])
  expect(await other.find('job 0')).toMatchObject({ state: 'queued', mark: 'started' })
  // Nor of what it has come to there.
  const taken = await other.find('job 0')
  await other.commit({ insert: [], save: [{ ...(taken as Job), state: 'failed' }], remove: [] })
  await one.commit({ insert: [], save: [job], remove: [] })
  expect(await other.find('job 0')).toMatchObject({ state: 'failed' })
})

test('what is claimed by a daemon that was given up meanwhile is free at the next renewal of another', async () => {
  await insert(one, 3)
  await sql(`update nodes set seen = '-infinity' where id = 1`)
  expect(await other.renew(NEVER, true)).toMatchObject({ taken: 0 })
  expect(await one.claim(0, 2, 2000)).toHaveLength(2)
  await one.commit({ insert: [newJobOf('late', { due: 1 })], save: [], remove: [], claims: 1 })
  expect(await other.renew(NEVER, true)).toMatchObject({ isAlive: true, taken: 3 })
  expect(await other.claim(0, 10, 2000)).toHaveLength(4)
  // Who is dead takes nothing over.
  expect(await one.renew(NEVER, true)).toEqual({ isAlive: false, taken: 0, underWay: [] })
})

test('what another daemon has written of a job stays when the one that has it notes something', async () => {
  const [job] = (await insert(one, 1, 1)) as [Job]
  expect(await one.cancel(job)).toBe(false)
  await other.want(job.id, 77)
  expect(await other.cancel(job)).toBe(true)
  await one.commit({ insert: [], save: [], mark: [{ ...job, mark: 'started' }], remove: [] })
  expect(await one.find(job.id)).toMatchObject({ mark: 'cancelled', awaited: 77 })
})

test('a job that another daemon has cancelled stays cancelled when it is to be retried', async () => {
  const [job, second] = (await insert(one, 2, 2)) as [Job, Job]
  for (const each of [job, second]) expect(await other.cancel(each)).toBe(true)
  await one.commit({
    insert: [],
    save: [
      { ...job, due: 5 },
      { ...second, state: 'failed' },
    ],
    remove: [],
  })
  expect(await other.claim(0, 10, 2000)).toMatchObject([{ id: job.id, mark: 'cancelled' }])
  expect(await one.find(second.id)).toMatchObject({ state: 'failed', mark: null })
})

test('what was written though its answer was lost counts as written when it is written again', async () => {
  const proxy = await between()
  const far = await node({ url: urlBy(proxy) })
  const [done, retried, failed] = (await insert(far, 3, 3)) as [Job, Job, Job]
  const batch = {
    insert: [newJobOf('new')],
    save: [
      { ...retried, due: 5 },
      { ...failed, state: 'failed' as const },
    ],
    remove: [done],
    claims: 1,
  }
  await far.find(done.id)
  proxy.losesAnswers = true
  const first = far.commit(batch).catch((error: Error) => error)
  await until('all to be written', async () => {
    const [gone, fresh] = await Promise.all([one.find(done.id), one.find('new')])
    return gone === undefined && fresh !== undefined
  })
  proxy.cut()
  proxy.losesAnswers = false
  expect(far.mayBeStored((await first) as Error)).toBe(true)
  expect(await far.commit(batch)).toEqual({ inserted: [], lost: [] })
  // A third time it is told as it is.
  expect(ids((await far.commit({ ...batch, insert: [] })).lost).sort()).toEqual(['job 0', 'job 1', 'job 2'])
  // And what was claimed in doubt is free again.
  await far.renew(NEVER, true)
  await become(['job 1', 'new'])
})

test('nor does what was not removed as another has it count as removed when it is removed again', async () => {
  const proxy = await between()
  const far = await node({ url: urlBy(proxy) })
  const [job] = (await insert(far, 1, 1)) as [Job]
  await far.find(job.id)
  proxy.losesCalls = true
  const first = far.commit({ insert: [], save: [], remove: [job] }).catch((error: Error) => error)
  await sql(`update nodes set seen = '-infinity' where id = 3`)
  expect(await one.renew(NEVER, true)).toMatchObject({ taken: 1 })
  proxy.cut()
  proxy.losesCalls = false
  expect(await first).toBeInstanceOf(Error)
  expect(await one.claim(0, 10, 2000)).toHaveLength(1)
  expect(await far.commit({ insert: [], save: [], remove: [job] })).toMatchObject({ lost: [{ id: job.id }] })
})

test('what is claimed while its daemon is registered anew is not in hand', async () => {
  await insert(one, 2)
  const client = new pg.Client({ connectionString: inject('postgres'), options: `-c search_path=${schema}` })
  await client.connect()
  await client.query('begin; lock table jobs in exclusive mode')
  const claiming = one.claim(0, 1, 2000)
  const inserting = one.commit({ insert: [newJobOf('new', { due: 1 })], save: [], remove: [], claims: 1 })
  await until('one to wait', async () => {
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%${schema}%'`
    return (await sql(waiting)).length > 0
  })
  await one.boot(process.pid, 'tcp://here', 0)
  await client.query('commit')
  await client.end()
  expect(await claiming).toEqual([])
  const { inserted } = await inserting
  // It is claimed when its turn comes, which is after the other.
  for (const { claim } of inserted) expect(claim === null || Math.floor(claim / 2 ** 32) === 3).toBe(true)
})

test('a store is closed though its server does not answer any more', async () => {
  const proxy = await between()
  const far = await node({ url: urlBy(proxy) })
  const heard: Word[] = []
  far.listen((word) => heard.push(word))
  await until('it to listen', () => heard.length > 0)
  open.splice(open.indexOf(far), 1)
  const goOn = proxy.holdUp()
  await far.close()
  goOn()
})

test('whatever else is said where daemons speak is passed over', async () => {
  const heard: Word[] = []
  one.listen((word) => heard.push(word))
  await until('it to listen', () => heard.length > 0)
  const channel = `ztask_${hash('sha256', schema).slice(0, 16)}`
  for (const word of ['nonsense', '', '{}', 'null', '{"from":9,"words":5}'])
    await sql(`select pg_notify('${channel}', '${word}')`)
  other.say({ kind: 'ended', id: 'a' })
  await until('it to be heard', () => heard.length > 1)
  expect(heard.slice(1)).toEqual([{ kind: 'ended', id: 'a' }])
})

test('of a dead daemon what was under way goes to who finds it, once, and the rest is free', async () => {
  const jobs = await insert(other, 3, 3)
  await other.commit({ insert: [], save: [], mark: [{ ...(jobs[1] as Job), mark: 'started' }], remove: [] })
  const third = await node()
  expect(await one.renew(NEVER, true)).toEqual({ isAlive: true, taken: 0, underWay: [] })
  await sql(`update nodes set seen = '-infinity' where id = 2`)
  const found = await Promise.all([one.renew(NEVER, true), third.renew(NEVER, true)])
  expect(found.map(({ taken }) => taken).sort()).toEqual([0, 3])
  expect(found.flatMap(({ underWay }) => ids(underWay))).toEqual(['job 1'])
  expect(ids(await one.claim(0, 10, 2000)).sort()).toEqual(['job 0', 'job 2'])
})

test('a suspect of a dead daemon is free: it was under way no more', async () => {
  const [job] = (await insert(other, 1, 1)) as [Job]
  await other.commit({ insert: [], save: [], mark: [{ ...job, mark: 'suspect' }], remove: [] })
  await sql(`update nodes set seen = '-infinity' where id = 2`)
  expect(await one.renew(NEVER, true)).toEqual({ isAlive: true, taken: 1, underWay: [] })
  expect(await one.claim(0, 10, 2000)).toMatchObject([{ id: job.id, mark: 'suspect' }])
})

test('what was claimed by a statement whose answer was lost is let go, and what is under way is taken over', async () => {
  const proxy = await between()
  const far = await node({ url: urlBy(proxy) })
  const jobs = await insert(other, 3, 3)
  const marks = ['started', 'suspect', 'cancelled'] as const
  const marked = jobs.map((job, at) => ({ ...job, mark: marks[at] as Mark }))
  await other.commit({ insert: [], save: [], mark: marked, remove: [] })
  await one.commit({ insert: [newJobOf('free', { due: 1 })], save: [], remove: [] })
  await Promise.all([far.find('job 0'), far.nextFree()])
  await sql(`update nodes set seen = '-infinity' where id = 2`)
  proxy.losesAnswers = true
  const asked = [far.claim(0, 10, 2000), far.renew(NEVER, true)]
  const errors = Promise.all(asked.map((one) => one.catch((error: Error) => error)))
  const taken = `select from jobs where claim / 4294967296 = 3`
  await until('both to be executed', async () => (await sql(taken)).length === 3)
  proxy.cut()
  proxy.losesAnswers = false
  for (const error of await errors) expect(error).toBeInstanceOf(Error)
  const { underWay } = await far.renew(NEVER, true)
  const again = await far.renew(NEVER, true)
  expect([...underWay, ...again.underWay].map(({ mark }) => mark).sort()).toEqual(['cancelled', 'started'])
  expect(ids(await one.claim(0, 10, 2000)).sort()).toEqual(['free', 'job 1'])
})

test('a daemon that ends leaves nothing in its hands', async () => {
  await insert(other, 3, 2)
  await other.close()
  open.splice(open.indexOf(other), 1)
  expect(await one.claim(0, 10, 2000)).toHaveLength(3)
  expect(await sql('select id from nodes')).toHaveLength(1)
})

test('a job that is retried, or released, is free again', async () => {
  const [a, b] = (await insert(one, 2, 2)) as [Job, Job]
  await one.commit({ insert: [], save: [{ ...a, attempts: 1, due: 5 }, b], remove: [] })
  expect((await one.find(a.id))?.claim).toBeNull()
  expect(ids(await other.claim(0, 10, 2000)).sort()).toEqual(['job 0', 'job 1'])
})

test('of a job that is noted and ends in one commit the end counts', async () => {
  const [job] = (await insert(one, 1, 1)) as [Job]
  const failed = { ...job, state: 'failed' as const }
  await one.commit({ insert: [], mark: [{ ...job, mark: 'started' }], save: [job, failed], remove: [] })
  expect(await one.find(job.id)).toMatchObject({ state: 'failed', mark: null })
})

test('the table is vacuumed where many rows have gone', async () => {
  for (let round = 0; round < 5; round++) {
    const jobs = await insert(one, 10_000, 10_000)
    await one.commit({ insert: [], save: [], remove: jobs })
  }
  const vacuums = `select pg_stat_get_vacuum_count('jobs'::regclass) as count`
  await until('it to be vacuumed', async () => Number((await sql(vacuums))[0]?.count) > 0)
})

test('daemons hear each other, also after their connections were cut, and not themselves', async () => {
  const heard: Word[] = []
  const own: Word[] = []
  one.listen((word) => heard.push(word))
  other.listen((word) => own.push(word))
  // Whoever begins to listen may have missed something.
  await until('both to listen', () => heard.length > 0 && own.length > 0)
  other.say({ kind: 'ended', id: 'a' })
  await until('it to be heard', () => heard.some((word) => word.kind === 'ended' && word.id === 'a'))
  expect(own).toEqual([{ kind: 'free' }])
  await sql(`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen%'`)
  await until('both to listen again', () => own.length > 1)
  await until('the other to hear', () => {
    other.say({ kind: 'ended', id: 'b' })
    return heard.some((word) => word.kind === 'ended' && word.id === 'b')
  })
})

test('a connection that answers nothing any more, and does not say so, is given up, whoever uses it', async () => {
  const proxy = await between()
  const far = await node({ url: urlBy(proxy), answerTimeout: 300 })
  const heard: Word[] = []
  far.listen((word) => heard.push(word))
  await until('it to listen', () => heard.length > 0)
  await insert(far, 1)
  await far.find('job 0')
  proxy.losesAnswers = true
  const asked = [far.find('job 0'), far.claim(0, 1, 2000)]
  expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  proxy.losesAnswers = false
  // Each has a new connection.
  expect(await far.find('job 0')).toMatchObject({ id: 'job 0' })
  // What it may have claimed is free again with its renewal; and that finds that it hears nothing.
  expect(await far.renew(NEVER, true)).toMatchObject({ isAlive: true })
  proxy.losesAnswers = true
  await far.renew(NEVER, true).catch(() => {})
  proxy.losesAnswers = false
  const { length } = heard
  await until('it to listen again', () => heard.length > length)
  await become(['job 0'])
})
