import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { type RawBuilder, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { migrations } from '../../migrations/index.ts'
import { ConfigError, DatabaseTooNewError } from '../../src/model/errors.ts'
import { byDue, byTurn, type Job, type NewJob, settle, sizeOf } from '../../src/model/job.ts'
import { takeLock } from '../../src/store/lock.ts'
import { fakeMigration, listMigrations, type Migrated, migrate } from '../../src/store/migrate.ts'
import { PostgresStore } from '../../src/store/postgres.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import type { Selection, Store } from '../../src/store/store.ts'
import { newJobOf } from '../harness/jobs.ts'

type AnyStore = Store & Migrated

/** A database of one kind that is there for one test, and may be opened again. */
interface Database {
  open(): AnyStore
  remove(): Promise<void>
}

interface Kind {
  readonly name: string
  readonly make: () => Promise<Database>
  /** What a user may have put there, that refuses the job 'bad'. */
  readonly trigger: (table: RawBuilder<unknown>) => readonly RawBuilder<unknown>[]
}

const sqlite: Kind = {
  name: 'SQLite',
  make: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ztask-store-'))
    return {
      open: () => new SqliteStore(join(folder, 'data', 'ztask.db')),
      remove: async () => rmSync(folder, { recursive: true }),
    }
  },
  trigger: (table) => [
    sql`create trigger mine before insert on ${table} when new.id = 'bad' begin select raise(abort, 'no'); end`,
  ],
}

const postgres: Kind = {
  name: 'PostgreSQL',
  make: async () => {
    const options = { url: inject('postgres'), schema: `ztask_test_${randomUUID()}` }
    return {
      open: () => new PostgresStore(options),
      // A schema that is dropped disturbs others' look at the catalog: it goes with the server.
      remove: async () => {},
    }
  },
  trigger: (table) => [
    sql`create function pg_temp.refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`,
    sql`create trigger mine before insert on ${table} for each row when (new.id = 'bad') execute function pg_temp.refuse()`,
  ],
}

/** Every implementation of the store runs the same suite. */
const KINDS: readonly Kind[] = [sqlite, postgres]

const FAILURE = {
  name: 'TypeError',
  message: 'nö',
  stack: 'at x',
  cause: { name: 'E', message: '', stack: '' },
}

const newJob = (id: string, more: Partial<NewJob> = {}): NewJob =>
  newJobOf(id, { args: '["a"]', due: 1000, created: 900, ...more })

const ids = (jobs: readonly Job[]): string[] => jobs.map(({ id }) => id)

describe.each(KINDS)('a store on $name', ({ make, trigger }) => {
  let database: Database
  let store: AnyStore

  beforeEach(async () => {
    database = await make()
    store = database.open()
    await migrate(store)
  })

  afterEach(async () => {
    await store.close()
    await database.remove()
  })

  const insert = async (...jobs: readonly NewJob[]): Promise<readonly Job[]> =>
    (await store.commit({ insert: jobs, save: [], remove: [] })).inserted

  const save = async (...jobs: readonly Job[]): Promise<void> => {
    const { lost } = await store.commit({ insert: [], save: jobs, remove: [] })
    expect(lost).toEqual([])
  }

  const all = async (): Promise<Job[]> => {
    const states = ['queued', 'held', 'failed'] as const
    const lists = await Promise.all(states.map((state) => store.list({ state, limit: 10_000 })))
    return lists.flat().sort((a, b) => a.seq - b.seq)
  }

  /** One queued, one held, two failed. */
  const mixed = async (): Promise<Job[]> => {
    const jobs = await insert(
      newJob('queued'),
      newJob('held', { state: 'held', reason: 'no task' }),
      newJob('failed', { due: 5 }),
      newJob('failed too', { due: 4, task: 'other' }),
    )
    const failed = jobs
      .slice(2)
      .map((job): Job => ({ ...job, state: 'failed', attempts: 6, failedAt: 950, failure: FAILURE }))
    await save(...failed)
    return [...jobs.slice(0, 2), ...failed]
  }

  describe('commit', () => {
    test('inserts jobs as they came, in the order they came', async () => {
      const given = [
        newJob('b', { due: 2000 }),
        newJob('a', { args: '["ü \\u0000 😀"]', due: 8.64e15 }),
        newJob('h', { state: 'held', reason: 'no such task' }),
        newJob('o', { options: { retryCount: 1, retryAfter: [1, 2], expiresAt: 5 }, awaited: 7 }),
      ]
      const stored = await insert(...given)
      expect(stored).toEqual(
        given.map((job) => ({
          ...job,
          seq: expect.any(Number),
          attempts: 0,
          failure: null,
          failures: [],
          failedAt: null,
          mark: null,
          result: null,
          expires: null,
          kept: null,
          claim: null,
        })),
      )
      const [first, second, third] = stored.map(({ seq }) => seq) as [number, number, number]
      expect(first < second && second < third).toBe(true)
      for (const job of stored) expect(await store.find(job.id)).toEqual(job)
    })

    test('what is done is kept until it expires: it is no job, and goes a few at a time', async () => {
      const jobs = await insert(newJob('a', { awaited: 9050 }), newJob('b'), newJob('c', { awaited: 9040 }))
      const [a, b, c] = jobs as [Job, Job, Job]
      const done = [a, c].map((job) => settle(job, { kind: 'succeeded', result: '[1]' }, 10) as Job)
      expect(done).toMatchObject([{ state: 'done', result: '[1]', expires: 9050 }, { expires: 9040 }])
      await store.commit({ insert: [], save: done, remove: [] })
      expect(await store.find('a')).toEqual(done[0])
      expect(await all()).toEqual([b])
      expect(await store.counts(5000)).toEqual({ waiting: 1, scheduled: 0, held: 0, failed: 0 })
      expect(await store.retryFailed(1)).toBe(0)
      expect(await store.deleteFailed()).toBe(0)
      // Sent again it is not stored again.
      expect(await insert(newJob('a'))).toEqual([])
      expect(await store.nextExpiry()).toBe(9040)
      expect(await store.removeExpired(9039, 10, 1000)).toBe(0)
      expect(await store.removeExpired(9060, 1, 1000)).toBe(1)
      expect(await store.nextExpiry()).toBe(9050)
      expect(await store.removeExpired(9060, 1, 1000)).toBe(1)
      expect(await store.nextExpiry()).toBeUndefined()
      expect(await store.find('b')).toEqual(b)
    })

    test('records that have expired go as many at a time as have so many bytes, results and failures among them', async () => {
      const [a, b, c, d] = (await insert(
        ...['a', 'b', 'c', 'd'].map((id) => newJob(id, { awaited: 9000 })),
      )) as [Job, Job, Job, Job]
      const done = [a, b].map((job) => {
        const result = `["${'x'.repeat(1000)}"]`
        return settle(job, { kind: 'succeeded', result }, 10) as Job
      })
      const failure = { ...FAILURE, stack: 'x'.repeat(1000) }
      const failed = [c, d].map(
        (job): Job => ({ ...job, state: 'failed', failedAt: 1, failure, expires: 9001 }),
      )
      await store.commit({ insert: [], save: [...done, ...failed], remove: [] })
      // The one that exceeds them is the last.
      expect(await store.removeExpired(9001, 10, 1500)).toBe(2)
      expect(ids(await all())).toEqual(['c', 'd'])
      // Larger than that by itself.
      expect(await store.removeExpired(9001, 10, 100)).toBe(1)
      expect(await store.removeExpired(9001, 10, 1e6)).toBe(1)
      expect(await store.nextExpiry()).toBeUndefined()
    })

    test('saves how jobs go on, and removes those that are no more', async () => {
      const [a, b, c] = (await insert(newJob('a'), newJob('b'), newJob('c'))) as [Job, Job, Job]
      const failed: Job = { ...a, state: 'failed', attempts: 6, due: 7, failure: FAILURE, failedAt: 8 }
      const held: Job = { ...b, state: 'held', reason: 'why', attempts: 2 }
      expect(await store.commit({ insert: [], save: [failed, held], remove: [c] })).toEqual({
        inserted: [],
        lost: [],
      })
      expect(await all()).toEqual([failed, held])
      await save(a, b)
      expect(await all()).toEqual([a, b])
    })

    test('an id that is there already is not stored again, wherever its job stands', async () => {
      const before = await mixed()
      const again = before.map(({ id }) => newJob(id, { args: '"again"', task: 'again' }))
      const stored = await insert(...again, newJob('new'), newJob('new', { args: '"twice"' }))
      expect(ids(stored)).toEqual(['new'])
      expect((await all()).slice(0, 4)).toEqual(before)
      expect((await store.find('new'))?.args).toBe('["a"]')
    })

    test('new jobs are stored all or none, what becomes of others is written all or nothing, and both can be repeated', async () => {
      const [a, b] = (await insert(newJob('a'), newJob('b'))) as [Job, Job]
      const bad = newJob('bad', { task: null as unknown as string })
      const batch = { insert: [newJob('good'), bad], save: [{ ...a, due: 5 }], remove: [b] }
      await expect(store.commit(batch)).rejects.toThrow(/null/i)
      expect(await store.find('good')).toBeUndefined()
      const worse = { ...a, state: null as unknown as 'queued' }
      const changes = { insert: [], save: [worse], remove: [b] }
      await expect(store.commit(changes)).rejects.toThrow(/null/i)
      // What the first has written, where it has, counts as written when it is tried again, once.
      expect(await store.commit({ ...batch, insert: [newJob('good')] })).toMatchObject({ lost: [] })
      expect(await all()).toMatchObject([{ id: 'a', due: 5 }, { id: 'good' }])
      const again = { ...batch, save: [], insert: [] }
      const known = 'claim' in store ? [{ id: 'b' }] : []
      expect(await store.commit(again)).toMatchObject({ lost: known })
    })

    test('says whether a job was to blame', async () => {
      const fault = async (jobs: readonly NewJob[]): Promise<Error> =>
        store.commit({ insert: jobs, save: [], remove: [] }).then(
          () => Promise.reject(new Error('it was stored')),
          (error: Error) => error,
        )
      const faultOf = async (jobs: readonly NewJob[]): Promise<boolean> =>
        store.isJobsFault(await fault(jobs))
      // What may not be null, and what a trigger of the user's refuses.
      expect(await faultOf([newJob('bad', { task: null as unknown as string })])).toBe(true)
      const table = store.schema === undefined ? sql.id('jobs') : sql.id(store.schema, 'jobs')
      await store.kysely.connection().execute(async (one) => {
        for (const statement of trigger(table)) await statement.execute(one)
        expect(await faultOf([newJob('good'), newJob('bad')])).toBe(true)
      })
      await store.close()
      expect(await faultOf([newJob('good')])).toBe(false)
      store = database.open()
      expect(await all()).toEqual([])
    })

    test('of nothing is nothing', async () => {
      expect(await store.commit({ insert: [], save: [], remove: [] })).toEqual({ inserted: [], lost: [] })
    })

    test('never gives a sequence number again, so that a late word about an old job means no new one', async () => {
      const [old] = (await insert(newJob('old'))) as [Job]
      await store.commit({ insert: [], save: [], remove: [old] })
      await store.close()
      store = database.open()
      const [young] = (await insert(newJob('young'))) as [Job]
      expect(young.seq).toBeGreaterThan(old.seq)
      await store.commit({ insert: [], save: [{ ...old, state: 'failed' }], remove: [old] })
      expect(await all()).toEqual([young])
    })

    test('a thousand rows and more at once', async () => {
      const many = Array.from({ length: 5000 }, (_, i) => newJob(`job ${i}`))
      const stored = await insert(...many)
      expect(ids(stored)).toEqual(ids(stored.toSorted((a, b) => a.seq - b.seq)))
      await store.commit({ insert: [], save: [], remove: stored })
      expect(await all()).toEqual([])
    })
  })

  test('nearest: the queued of a priority, by due and arrival, at most so many', async () => {
    const rows = fc.array(
      fc.record({ due: fc.nat(5), held: fc.boolean(), priority: fc.constantFrom(0, 0, 0, 3, -2) }),
      { maxLength: 30 },
    )
    let round = 0
    await fc.assert(
      fc.asyncProperty(rows, fc.nat(35), async (list, limit) => {
        round++
        const jobs = await insert(
          ...list.map(({ due, held, priority }, i) =>
            newJob(`${round} ${i}`, { due, priority, ...(held && { state: 'held', reason: '' }) }),
          ),
        )
        const queued = jobs.filter(({ state }) => state === 'queued').sort(byTurn)
        const priorities = [...new Set(queued.map(({ priority }) => priority))]
        expect(await store.priorities()).toEqual(priorities)
        for (const priority of [...priorities, 7]) {
          const expected = queued.filter((job) => job.priority === priority)
          const part = (from: number) => ({
            jobs: expected.slice(from, from + limit),
            isCut: expected.length - from >= limit,
          })
          expect(await store.nearest(priority, limit, 2 ** 20)).toEqual(part(0))
          const after = expected[1]
          if (after !== undefined)
            expect(await store.nearest(priority, limit, 2 ** 20, after)).toEqual(part(2))
        }
        await store.commit({ insert: [], save: [], remove: jobs })
      }),
      { numRuns: 50 },
    )
  })

  test('nearest: at most so many bytes, but for the last job; what a failure takes counts too', async () => {
    const args = ['ä'.repeat(50), 'x'.repeat(100), 'x'.repeat(30), 'x'.repeat(300), '']
    const jobs = await insert(
      ...args.map((text, at) => newJob(`job ${at}`, { args: text, due: at < 3 ? 1 : 2 })),
    )
    const read = async (most: number, after?: Job): Promise<unknown> => {
      const stretch = await store.nearest(0, 9, most, after)
      return [ids(stretch.jobs), stretch.isCut]
    }
    const names = ids(jobs)
    expect(await read(0)).toEqual([names.slice(0, 1), true])
    expect(await read(99)).toEqual([names.slice(0, 1), true])
    expect(await read(100)).toEqual([names.slice(0, 2), true])
    expect(await read(229)).toEqual([names.slice(0, 3), true])
    expect(await read(230)).toEqual([names.slice(0, 4), true])
    expect(await read(530)).toEqual([names, false])
    expect(await read(10, jobs[1])).toEqual([names.slice(2, 3), true])
    expect(await read(30, jobs[1])).toEqual([names.slice(2, 4), true])
    expect(await read(0, jobs[3])).toEqual([names.slice(4), false])
    const [first] = jobs as [Job]
    const failure = { name: 'Error', message: 'm'.repeat(1000), stack: '' }
    await save({ ...first, failure, failures: [{ at: 1, failure }] })
    expect(await read(530)).toEqual([names.slice(0, 1), true])
  })

  test('find: the job, or nothing', async () => {
    const [job] = await mixed()
    expect(await store.find('queued')).toEqual(job)
    expect(await store.find('Queued')).toBeUndefined()
    expect(await store.find("' or 1 = 1 --")).toBeUndefined()
  })

  describe('list', () => {
    beforeEach(async () => {
      await mixed()
      await insert(newJob('now', { due: 999 }), newJob('later', { due: 1001 }))
    })

    test('queued jobs in their turn, past due, due later, or both', async () => {
      expect(ids(await store.list({ state: 'queued', limit: 9 }))).toEqual(['now', 'queued', 'later'])
      const part = async (past: boolean): Promise<string[]> =>
        ids(await store.list({ state: 'queued', due: { now: 1000, past }, limit: 9 }))
      expect([await part(true), await part(false)]).toEqual([['now', 'queued'], ['later']])
    })

    test('of several priorities those that are due in the order of their turn, others by when they are due', async () => {
      const task = 'ranked'
      const jobs = await insert(
        ...Array.from({ length: 5000 }, (_, at) =>
          newJob(`ranked${at}`, { task, due: 500 + (at % 7), priority: [0, 10, -3, 0][at % 4] as number }),
        ),
      )
      const listed = (selection: Omit<Selection, 'state' | 'task' | 'limit'>) =>
        store.list({ state: 'queued', task, limit: 10_000, ...selection })
      const inTurn = jobs.toSorted(byTurn)
      const inTime = jobs.toSorted(byDue)
      const later = inTime.filter(({ due }) => due > 503)
      expect(ids(await listed({ due: { now: 600, past: true } }))).toEqual(ids(inTurn))
      expect(ids(await listed({}))).toEqual(ids(inTime))
      expect(ids(await listed({ due: { now: 503, past: false } }))).toEqual(ids(later))
      for (const at of [0, 1000, 2600, 4000, 4999]) {
        const past = await listed({ due: { now: 600, past: true }, after: inTurn[at] })
        expect(ids(past)).toEqual(ids(inTurn.slice(at + 1)))
        expect(ids(await listed({ after: inTime[at] }))).toEqual(ids(inTime.slice(at + 1)))
      }
      expect((await store.counts(503)).waiting).toBe(jobs.length - later.length)
    })

    test('those at rest in the order of their arrival', async () => {
      expect(ids(await store.list({ state: 'failed', limit: 9 }))).toEqual(['failed', 'failed too'])
      expect(ids(await store.list({ state: 'held', limit: 9 }))).toEqual(['held'])
    })

    test('those of a task, and those made since', async () => {
      await insert(newJob('other', { task: 'other', due: 1000, created: 5000 }))
      const part = async (selection: { task?: string; since?: number }): Promise<string[]> =>
        ids(await store.list({ state: 'queued', limit: 9, ...selection }))
      expect(await part({ task: 'other' })).toEqual(['other'])
      expect(await part({ task: 'nothing' })).toEqual([])
      expect(await part({ since: 5000 })).toEqual(['other'])
      expect(await part({ since: 5001 })).toEqual([])
      expect(ids(await store.list({ state: 'failed', task: 'other', limit: 9 }))).toEqual(['failed too'])
    })

    test('more than are read in one go, many of them due at one moment', async () => {
      const jobs = await insert(
        ...Array.from({ length: 9000 }, (_, i) =>
          newJob(`job ${i}`, {
            due: i % 3 === 0 ? 5000 - (i % 5) : 500,
            task: i % 1000 === 0 ? 'rare' : 't',
          }),
        ),
      )
      const part = (some: (job: Job) => boolean): string[] => ids(jobs.filter(some).sort(byTurn))
      const rare = await store.list({ state: 'queued', task: 'rare', limit: 99 })
      expect(ids(rare)).toEqual(part(({ task }) => task === 'rare'))
      for (const past of [true, false])
        expect(
          ids(await store.list({ state: 'queued', due: { now: 4998, past }, since: 900, limit: 10_000 })),
        ).toEqual(
          past
            ? [
                ...part(({ due }) => due === 500),
                'now',
                'queued',
                'later',
                ...part(({ due }) => due > 500 && due <= 4998),
              ]
            : part(({ due }) => due > 4998),
        )
    })

    test('no more than asked for, but for the last job', async () => {
      const [now] = await store.list({ state: 'queued', limit: 1 })
      const most = sizeOf(now as Job)
      expect(ids(await store.list({ state: 'queued', limit: 9, most }))).toEqual(['now'])
      expect(ids(await store.list({ state: 'queued', limit: 9, most: most + 1 }))).toEqual(['now', 'queued'])
      const [failed] = await store.list({ state: 'failed', limit: 9, most: 1 })
      expect(sizeOf(failed as Job)).toBeGreaterThan(most)
    })

    test('after a turn: what comes later, also of jobs that are due at the same moment, and where that job has gone', async () => {
      await insert(...Array.from({ length: 50 }, (_, at) => newJob(`same${at}`, { due: 500 })))
      for (const selection of [
        { state: 'queued', due: { now: 600, past: true } },
        { state: 'queued', due: { now: 499, past: false } },
        { state: 'queued' },
        { state: 'failed' },
      ] as const) {
        const all = await store.list({ ...selection, limit: 10_000 })
        for (const [at, after] of all.entries())
          expect(ids(await store.list({ ...selection, after, limit: 10_000 }))).toEqual(
            ids(all.slice(at + 1)),
          )
      }
      const [first, gone, ...rest] = await store.list({ state: 'queued', limit: 10_000 })
      await store.commit({ insert: [], save: [], remove: [gone as Job] })
      expect(ids(await store.list({ state: 'queued', after: gone, limit: 10_000 }))).toEqual(ids(rest))
      expect(first?.due).toBe(gone?.due)
    })

    test('at most so many', async () => {
      expect(ids(await store.list({ state: 'failed', limit: 1 }))).toEqual(['failed'])
      expect(ids(await store.list({ state: 'queued', limit: 2 }))).toEqual(['now', 'queued'])
      expect(await store.list({ state: 'queued', limit: 0 })).toEqual([])
    })
  })

  test('counts add up to the rows, and follow the clock', async () => {
    expect(await store.counts(0)).toEqual({ waiting: 0, scheduled: 0, held: 0, failed: 0 })
    await mixed()
    await insert(newJob('later', { due: 1001 }))
    expect(await store.counts(999)).toEqual({ waiting: 0, scheduled: 2, held: 1, failed: 2 })
    expect(await store.counts(1000)).toEqual({ waiting: 1, scheduled: 1, held: 1, failed: 2 })
    expect(await store.counts(1001)).toEqual({ waiting: 2, scheduled: 0, held: 1, failed: 2 })
  })

  test('counts of many are taken a part at a time, and others are served meanwhile', async () => {
    const many = Array.from({ length: 120_000 }, (_, i) =>
      newJob(`job ${i}`, { due: i < 110_000 ? 1 : 5000 + i }),
    )
    await insert(...many)
    let turns = 0
    let counted = false
    const counts = store.counts(1000).finally(() => {
      counted = true
    })
    for (; !counted; turns++) await setImmediate()
    expect(await counts).toEqual({ waiting: 110_000, scheduled: 10_000, held: 0, failed: 0 })
    // Three parts of those that are due, and one of each other kind.
    expect(turns).toBeGreaterThanOrEqual(6)
  })

  describe('in bulk', () => {
    const retried = (job: Job, now: number): Job => settle(job, { kind: 'retried' }, now) as Job

    test('retryFailed does to each failed job what settle does', async () => {
      const [queued, held, first, second] = (await mixed()) as [Job, Job, Job, Job]
      expect(await store.retryFailed(77, ['failed', 'queued', 'nobody', 'held'])).toBe(1)
      expect(await all()).toEqual([queued, held, retried(first, 77), second])
      expect(await store.retryFailed(88)).toBe(1)
      expect(await all()).toEqual([queued, held, retried(first, 77), retried(second, 88)])
      expect(await store.retryFailed(99)).toBe(0)
      // Those that come back at one moment come in the order in which they were called.
      expect(ids((await store.nearest(0, 2, 2 ** 20)).jobs)).toEqual(['failed', 'failed too'])
    })

    test('deleteFailed deletes failed jobs, and no others', async () => {
      const [queued, held, , second] = (await mixed()) as [Job, Job, Job, Job]
      expect(await store.deleteFailed(['failed', 'queued', 'nobody', 'held'])).toBe(1)
      expect(await all()).toEqual([queued, held, second])
      expect(await store.deleteFailed()).toBe(1)
      expect(await all()).toEqual([queued, held])
    })

    test('an empty list of ids is no id, and not all of them', async () => {
      await mixed()
      expect([await store.retryFailed(0, []), await store.deleteFailed([])]).toEqual([0, 0])
      expect(await store.counts(2000)).toMatchObject({ failed: 2 })
    })

    test('free queues held jobs of these tasks again, as settle does', async () => {
      const [mine, other] = (await insert(
        newJob('mine', { state: 'held', reason: 'no t' }),
        newJob('other', { state: 'held', reason: 'no other', task: 'other' }),
      )) as [Job, Job]
      await mixed()
      expect(await store.free([])).toBe(0)
      expect(await store.free(['nothing'])).toBe(0)
      expect(await store.free(['x', 't'])).toBe(2)
      expect(await store.find('mine')).toEqual(settle(mine, { kind: 'freed' }, 0))
      expect(await store.find('other')).toEqual(other)
      expect(await store.counts(2000)).toMatchObject({ held: 1, failed: 2 })
    })

    test('takes more names and ids than a statement has places', async () => {
      await mixed()
      const many = Array.from({ length: 40_000 }, (_, i) => `id ${i}`)
      expect(await store.retryFailed(5, [...many, 'failed'])).toBe(1)
      expect(await store.deleteFailed(['failed too', ...many])).toBe(1)
      expect(await store.free([...many, 't'])).toBe(1)
    })
  })

  test('boot counts the starts, across them too; node tells where the last one is', async () => {
    expect(await store.node()).toBeUndefined()
    expect(await store.boot(11, 'tcp://a:1', 100)).toBe(1)
    expect(await store.boot(12, 'tcp://b:2', 200)).toBe(2)
    expect(await store.node()).toEqual({ boot: 2, pid: 12, url: 'tcp://b:2', started: 200 })
    await store.close()
    store = database.open()
    // On a server what has ended is nowhere.
    if (store.schema === undefined) expect(await store.node()).toMatchObject({ boot: 2, pid: 12 })
    else expect(await store.node()).not.toMatchObject({ boot: 2 })
    expect(await store.boot(13, 'tcp://c:3', 300)).toBe(3)
  })

  test('what was committed is there after closing and opening again', async () => {
    const before = await mixed()
    await store.close()
    store = database.open()
    expect(await migrate(store)).toEqual([])
    expect(await all()).toEqual(before)
  })

  describe('migrations', () => {
    const names = Object.keys(migrations)
    const [first = '', second = ''] = names
    let empty: Database
    let fresh: AnyStore

    beforeEach(async () => {
      empty = await make()
      fresh = empty.open()
    })

    afterEach(async () => {
      await fresh.close()
      await empty.remove()
    })

    const makeSchema = async (): Promise<void> => {
      if (fresh.schema !== undefined) await fresh.kysely.schema.createSchema(fresh.schema).execute()
    }

    const applied = async (): Promise<string[]> =>
      (await listMigrations(fresh)).flatMap(({ name, applied }) => (applied ? [name] : []))

    test('are applied in order, each once; a look applies none', async () => {
      expect(await listMigrations(fresh)).toEqual(names.map((name) => ({ name, applied: false })))
      expect(await applied()).toEqual([])
      expect(await migrate(fresh)).toEqual(names)
      expect(await migrate(fresh)).toEqual([])
      expect(await applied()).toEqual(names)
    })

    test('one that is faked is not run, and counts as applied; the others follow', async () => {
      await makeSchema()
      let table = fresh.kysely.schema.createTable('jobs').addColumn('mine', 'text')
      for (const column of ['seq', 'due']) table = table.addColumn(column, 'integer')
      table = table.addColumn('state', 'text')
      await table.execute()
      expect(await fakeMigration(fresh, first.split('_')[0] ?? '')).toBe(first)
      expect(await applied()).toEqual([first])
      expect(await migrate(fresh)).toEqual(names.slice(1))
      const tables = await fresh.kysely.introspection.getTables()
      const jobs = tables.find(({ name, schema }) => name === 'jobs' && schema === fresh.schema)
      expect(jobs?.columns.map(({ name }) => name)).toEqual([
        ...['mine', 'seq', 'due', 'state'],
        'mark',
        'failures',
        'awaited',
        'result',
        'expires',
        'kept',
        'options',
        'priority',
        ...(fresh.schema === undefined ? [] : ['claim']),
      ])
    })

    test('that fails in its middle leaves nothing of itself, and is applied when nothing hinders it', async () => {
      // It adds columns, then an index of that name.
      await makeSchema()
      await fresh.kysely.schema.createTable('jobs_expiring').addColumn('mine', 'text').execute()
      await expect(migrate(fresh)).rejects.toThrow(/already.*jobs_expiring|jobs_expiring.*already/)
      await fresh.kysely.schema.dropTable('jobs_expiring').execute()
      await migrate(fresh)
      expect(await applied()).toEqual(names)
    })

    test('all can be faked, one after the other, by their names', async () => {
      for (const name of names) expect(await fakeMigration(fresh, name)).toBe(name)
      expect(await migrate(fresh)).toEqual([])
    })

    test.each([
      ['none of that name', '0099', /No migration '0099'\. They are: 0001_jobs, /],
      ['none by half a name', first.slice(0, 6), /No migration/],
      ['one whose forerunner is missing', second, new RegExp(`${first} comes before ${second}`)],
    ])('does not fake %s', async (_, wanted, message) => {
      await expect(fakeMigration(fresh, wanted)).rejects.toThrow(ConfigError)
      await expect(fakeMigration(fresh, wanted)).rejects.toThrow(message)
      expect(await applied()).toEqual([])
    })

    test('does not fake one that has been applied', async () => {
      await migrate(fresh)
      await expect(fakeMigration(fresh, first)).rejects.toThrow(`${first} has been applied already`)
    })

    test('of a newer ztask are refused by every one of them, and left as they are', async () => {
      await migrate(fresh)
      const table = 'ztask_migrations' as never
      const row = { name: '9999_future', timestamp: 'then' } as never
      await fresh.kysely.insertInto(table).values(row).execute()
      for (const verb of [migrate, listMigrations, (db: AnyStore) => fakeMigration(db, first)]) {
        const error = await verb(fresh).catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(DatabaseTooNewError)
        expect(error).toMatchObject({ data: { unknown: ['9999_future'] } })
        expect((error as Error).message).toMatch(/newer ztask \(9999_future\).*Update ztask/)
      }
    })
  })
})

describe('SQLite', () => {
  let folder: string
  let file: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ztask-lock-'))
    file = join(folder, 'ztask.db')
  })

  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  test('a commit survives a power cut: WAL, and a sync each', async () => {
    const store = new SqliteStore(file)
    const pragma = async (name: string): Promise<unknown> => {
      const { rows } = await sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(store.kysely)
      return rows[0]?.[name]
    }
    // 2 is FULL, https://www.sqlite.org/pragma.html#pragma_synchronous
    expect([await pragma('journal_mode'), await pragma('synchronous')]).toEqual(['wal', 2])
    await store.close()
  })

  test('a lock is waited for, though a commit has waited in vain for an earlier one', async () => {
    const store = new SqliteStore(file)
    await migrate(store)
    const other = new DatabaseSync(file, { timeout: 5000 })
    const commit = (id: string) => store.commit({ insert: [newJob(id)], save: [], remove: [] })
    let now = 0
    let step = 900
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
      now += step
      return now
    })
    onTestFinished(() => clock.mockRestore())
    other.exec('begin immediate')
    await expect(commit('a')).rejects.toThrow('database is locked')
    other.exec('rollback')
    now += 2000
    step = 0
    other.exec('begin immediate')
    const patient = commit('b')
    await setImmediate()
    other.exec('rollback')
    other.close()
    expect(ids((await patient).inserted)).toEqual(['b'])
    await store.close()
  })

  test('what no column takes is its job’s fault, and a disk without room nobody’s', async () => {
    const store = new SqliteStore(file)
    await migrate(store)
    const faultOf = async (job: NewJob): Promise<boolean> => {
      const error = await store.commit({ insert: [job], save: [], remove: [] }).then(
        () => Promise.reject(new Error('it was stored')),
        (thrown: Error) => thrown,
      )
      return store.isJobsFault(error)
    }
    expect(await faultOf(newJob('bad', { task: {} as unknown as string }))).toBe(true)
    await sql`pragma max_page_count = 1`.execute(store.kysely)
    expect(await faultOf(newJob('large', { args: 'x'.repeat(1_000_000) }))).toBe(false)
    await store.close()
  })

  test('a list of several priorities is read a few at a time, and each where it stands when it is read', async () => {
    const store = new SqliteStore(file)
    await migrate(store)
    const { inserted: jobs } = await store.commit({
      insert: [
        ...Array.from({ length: 200 }, (_, at) =>
          newJob(`job ${at}`, { due: 1, priority: at % 2, task: 'x' }),
        ),
      ],
      save: [],
      remove: [],
    })
    let turns = 0
    let isOver = false
    const listing = store.list({ state: 'queued', task: 'x', limit: 10_000 }).finally(() => {
      isOver = true
    })
    for (; !isOver; turns++) {
      await setImmediate()
      // When the first are read: the last have gone, failed, and been put off.
      if (turns !== 2) continue
      const [gone, failed, later] = jobs.slice(-3) as [Job, Job, Job]
      const saved: Job[] = [
        { ...failed, state: 'failed' },
        { ...later, due: 9 },
      ]
      await store.commit({ insert: [], save: saved, remove: [gone] })
    }
    expect(turns).toBeGreaterThan(10)
    expect(ids(await listing)).toEqual(ids(jobs.slice(0, -3)))
    await store.close()
  })

  test('what is read often is read by an index', async () => {
    const store = new SqliteStore(file)
    await migrate(store)
    await store.close()
    const db = new DatabaseSync(file)
    const plan = (sql: string): string =>
      db
        .prepare(`explain query plan ${sql}`)
        .all()
        .map((row) => String(row.detail))
        .join('; ')
    expect(plan("select * from jobs where id = 'x'")).toMatch(/^SEARCH jobs USING INDEX/)
    db.close()
  })

  describe('the lock', () => {
    const LOCK = pathToFileURL(resolve(import.meta.dirname, '../../src/store/lock.ts')).href
    const children: ReturnType<typeof holder>[] = []

    /** Another process that takes the lock, says whether it has it, and holds it until it is killed. */
    const holder = (kind: string) => {
      const script = `
        const { takeLock } = await import(${JSON.stringify(LOCK)})
        const lock = takeLock(${JSON.stringify(file)}, 0, ${JSON.stringify(kind)})
        process.stdout.write(lock === undefined ? 'shut out' : 'has it')
        process.stdin.on('data', () => { lock?.release(); process.stdout.write('released') })`
      return spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
    }

    const start = async (kind = 'exclusive') => {
      const child = holder(kind)
      children.push(child)
      const [said] = await once(child.stdout, 'data')
      return { child, said: String(said) }
    }

    afterEach(async () => {
      for (const child of children.splice(0)) {
        if (child.exitCode === null && child.signalCode === null) {
          child.kill('SIGKILL')
          await once(child, 'exit')
        }
      }
    })

    test('is one process’s at a time, and free when it is released', async () => {
      const { child, said } = await start()
      expect(said).toBe('has it')
      expect(takeLock(file, 0)).toBeUndefined()
      child.stdin.write('release')
      await once(child.stdout, 'data')
      const lock = takeLock(file, 0)
      expect(lock).toBeDefined()
      expect((await start()).said).toBe('shut out')
      lock?.release()
    })

    test('is free when its holder was killed', async () => {
      const { child } = await start()
      child.kill('SIGKILL')
      await once(child, 'exit')
      const lock = takeLock(file, 0)
      expect(lock).toBeDefined()
      lock?.release()
    })

    test('those who look share it; who would be alone is shut out meanwhile', async () => {
      const { said } = await start('shared')
      expect(said).toBe('has it')
      const mine = takeLock(file, 0, 'shared')
      expect(mine).toBeDefined()
      expect(takeLock(file, 0)).toBeUndefined()
      mine?.release()
    })

    test('waits for a holder that is just going', async () => {
      const { child } = await start()
      // The wait blocks this process: the other one must be told before.
      child.stdin.write('release')
      const lock = takeLock(file, 5000)
      expect(lock).toBeDefined()
      lock?.release()
    })

    test('does not shut out who reads or writes the database itself', async () => {
      await start()
      const store = new SqliteStore(file)
      await migrate(store)
      expect(await store.counts(0)).toMatchObject({ waiting: 0 })
      await store.close()
      expect(existsSync(join(folder, 'ztask.lock'))).toBe(true)
    })

    test('is of the database, by whatever path: a link leads to the same one', async () => {
      new DatabaseSync(file).close()
      const link = join(folder, 'link.db')
      symlinkSync(file, link)
      await start()
      expect(takeLock(link, 0)).toBeUndefined()
    })

    test('two databases beside each other have a lock each', async () => {
      await start()
      for (const other of ['other.db', 'ztask.sqlite']) {
        const lock = takeLock(join(folder, other), 0)
        expect([other, lock === undefined]).toEqual([other, false])
        lock?.release()
      }
    })
  })
})
