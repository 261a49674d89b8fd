import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { halve } from '../../src/daemon/commits/halve.ts'
import { Commits } from '../../src/daemon/commits.ts'
import { StorageError } from '../../src/model/errors.ts'
import { type Job, type NewJob, settle } from '../../src/model/job.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import type { Batch, Committed } from '../../src/store/store.ts'
import { newJobOf } from '../harness/jobs.ts'

const newJob = (id: string): NewJob => newJobOf(id, { due: 1000, created: 900 })

const FULL = 'database or disk is full'

let folder: string
let sqlite: SqliteStore
/** Every batch that the store was asked to commit, whether it did or not. */
let asked: Batch[]
/** Why the store does not commit, while it does not. */
let broken: Error | undefined
/** What a commit waits for before it begins. */
let gate: Promise<void> | undefined
/** How many commits are under way, at most. */
let atOnce: number
let underWay: number
/** What the other stages were told, in order. */
let told: string[]
let commits: Commits

/** The real store, which fails or waits on command. */
const commitTo =
  (database: SqliteStore) =>
  async (batch: Batch): Promise<Committed> => {
    asked.push(batch)
    atOnce = Math.max(atOnce, ++underWay)
    try {
      await gate
      if (broken !== undefined) throw broken
      return await database.commit(batch)
    } finally {
      underWay--
    }
  }

const unstorable = (job: Job, error: Error, list: string[]): Job => {
  list.push(`unstorable ${job.id}`)
  const failure = { name: 'Unstorable', message: error.message, stack: '' }
  return settle(job, { kind: 'unstorable', failure }, 2000) as Job
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  folder = mkdtempSync(join(tmpdir(), 'ztask-commits-'))
  sqlite = new SqliteStore(join(folder, 'ztask.db'))
  await migrate(sqlite)
  asked = []
  // What a failed test left behind must not reach the next one's list, or its database.
  const mine: string[] = []
  told = mine
  broken = gate = undefined
  atOnce = underWay = 0
  commits = new Commits({
    store: {
      commit: commitTo(sqlite),
      isJobsFault: (error) => sqlite.isJobsFault(error),
      mayBeStored: (error) => sqlite.mayBeStored(error),
    },
    credit: () => 0,
    stored: (jobs) => {
      if (jobs.length > 0) mine.push(`stored ${jobs.map(({ id }) => id)}`)
    },
    lost: (job) => mine.push(`lost ${job.id}`),
    ended: (job, next) => mine.push(`ended ${job.id} ${next?.state ?? 'gone'}`),
    unstorable: (job, _, error) => unstorable(job, error, mine),
    stuck: (job) => mine.push(`stuck ${job.id}`),
    hasEnded: (id) => mine.includes(`ended ${id} gone`),
    health: (error) => mine.push(error === undefined ? 'well' : `ill: ${error.message}`),
  })
})

afterEach(async () => {
  vi.clearAllTimers()
  vi.useRealTimers()
  await sqlite.close()
  rmSync(folder, { recursive: true })
})

/** Lets what is scheduled for the next turns of the event loop happen; time stands still. */
const turns = async (): Promise<void> => {
  for (let i = 0; i < 16; i++) await turn()
}

const insert = (...ids: string[]): void =>
  commits.insert(ids.map(newJob), (notStored) =>
    told.push(`answer ${ids}${notStored.length === 0 ? '' : ': refused'}`),
  )

const running = async (...ids: string[]): Promise<readonly Job[]> =>
  (await sqlite.commit({ insert: ids.map(newJob), save: [], remove: [] })).inserted

const rows = async (): Promise<string[]> => {
  const lists = await Promise.all(
    (['queued', 'held', 'failed'] as const).map((state) => sqlite.list({ state, limit: 100_000 })),
  )
  return lists.flat().map(({ id, state }) => `${id} ${state}`)
}

describe('arrivals', () => {
  test('of one turn become durable in one commit, and are answered after it, each', async () => {
    insert('a', 'b')
    insert('c')
    expect(told).toEqual([])
    let open = (): void => {}
    gate = new Promise((resolve) => {
      open = resolve
    })
    await turns()
    expect([asked.length, told]).toEqual([1, []])
    open()
    await turns()
    expect(told).toEqual(['answer a,b', 'answer c', 'stored a,b,c'])
    expect(await rows()).toEqual(['a queued', 'b queued', 'c queued'])
    expect(asked).toHaveLength(1)
  })

  test('that come while a commit is under way wait for the next', async () => {
    let open = (): void => {}
    gate = new Promise((resolve) => {
      open = resolve
    })
    insert('a')
    await turns()
    insert('b')
    insert('c')
    await turns()
    expect(asked).toHaveLength(1)
    open()
    await turns()
    expect(asked.map((batch) => batch.insert.map(({ id }) => id))).toEqual([['a'], ['b', 'c']])
    expect(told).toEqual(['answer a', 'stored a', 'answer b', 'answer c', 'stored b,c'])
  })

  test('a job that is there already is answered as stored, and not told again', async () => {
    await running('a')
    insert('a')
    insert('b', 'b')
    await turns()
    expect(told).toEqual(['answer a', 'answer b,b', 'stored b'])
  })

  test('are refused with a StorageError that has the reason, and not tried again', async () => {
    broken = new Error(FULL)
    let refusal: StorageError | undefined
    commits.insert([newJob('a')], ([first]) => {
      refusal = first?.[1]
    })
    await turns()
    expect(refusal).toBeInstanceOf(StorageError)
    expect(refusal).toMatchObject({ data: { reason: FULL }, cause: broken })
    expect(refusal?.message).toMatch(/disk is full\. The job is not stored; call again/)
    broken = undefined
    await vi.advanceTimersByTimeAsync(10_000)
    await turns()
    expect(await rows()).toEqual([])
    expect(asked).toHaveLength(1)
  })
})

describe('a bad job', () => {
  /** The database takes no job whose name begins with it, by these ways. */
  const refuses = (prefix: string, ...ways: ('insert' | 'update' | 'delete')[]): Promise<unknown> =>
    Promise.all(
      ways.map((way) =>
        sql
          .raw(
            `create trigger ${prefix}_${way} before ${way} on jobs when ${way === 'insert' ? 'new' : 'old'}.id like '${prefix}%' begin select raise(abort, 'no ${prefix} here'); end`,
          )
          .execute(sqlite.kysely),
      ),
    )
  const mended = (prefix: string, ...ways: string[]): Promise<unknown> =>
    Promise.all(ways.map((way) => sql.raw(`drop trigger ${prefix}_${way}`).execute(sqlite.kysely)))
  const seconds = async (count: number): Promise<void> => {
    for (let passed = 0; passed < count; passed++) {
      await vi.advanceTimersByTimeAsync(1000)
      await turns()
    }
  }
  const names = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${prefix}${index}`)
  /** Which of the jobs of a call were not stored, and why. */
  const call = (jobs: readonly string[], together = false): [number, string][] => {
    const list: [number, string][] = []
    commits.insert(
      jobs.map(newJob),
      (notStored) => list.push(...notStored.map(([at, { message }]): [number, string] => [at, message])),
      together,
    )
    return list
  }

  test('is refused alone; what came with it is stored', async () => {
    await refuses('bad', 'insert')
    const first = call(['a', 'bad1', 'b'])
    const second = call(names('x', 60))
    const third = call(['bad2'])
    await turns()
    expect(first).toEqual([[1, 'The database does not take this job: no bad here. It is not stored.']])
    expect(second).toEqual([])
    expect(third).toEqual([[0, expect.stringContaining('no bad here')]])
    expect((await rows()).sort()).toEqual(
      ['a queued', 'b queued', ...names('x', 60).map((x) => `${x} queued`)].sort(),
    )
    // The database is not ill.
    expect(told).toEqual([`stored ${['a', 'b', ...names('x', 60)]}`])
  })

  test('takes those that go together with it along', async () => {
    await refuses('bad', 'insert')
    const [batch, other] = [call(['a', 'bad', 'b'], true), call(['c'])]
    await turns()
    const told = 'The database does not take one of these jobs: no bad here. None of them is stored.'
    expect(batch).toEqual([0, 1, 2].map((at) => [at, told]))
    expect(other).toEqual([])
    expect(await rows()).toEqual(['c queued'])
  })

  test.each([
    [1, 1000],
    [5, 1000],
    [1, 1],
    [64, 64],
  ])('%i among %i cost no more commits than they must', async (bad, count) => {
    await refuses('bad', 'insert')
    const jobs = [...names('bad', bad), ...names('x', count - bad)].sort(
      (a, b) => (a.charCodeAt(a.length - 1) % 7) - (b.charCodeAt(b.length - 1) % 7),
    )
    const refused = call(jobs)
    await turns()
    await commits.drained()
    expect(refused.map(([at]) => jobs[at]).sort()).toEqual(names('bad', bad).sort())
    expect((await rows()).length).toBe(count - bad)
    expect(asked.length).toBeLessThanOrEqual(1 + bad * 2 * Math.ceil(Math.log2(count)))
  })

  test('that cannot be removed is failed, and says why; the others go on', async () => {
    const [bad, good, later] = (await running('bad', 'good', 'later')) as [Job, Job, Job]
    await refuses('bad', 'delete')
    commits.settle(bad, undefined)
    commits.settle(good, undefined)
    commits.settle(later, { ...later, due: 5000 })
    await turns()
    expect(told).toEqual(['unstorable bad', 'ended good gone', 'ended later queued', 'ended bad failed'])
    expect(await rows()).toEqual(['later queued', 'bad failed'])
    expect(await sqlite.find('bad')).toMatchObject({
      failure: { name: 'Unstorable', message: 'no bad here' },
    })
  })

  test('that cannot even be failed is told once, stays as it is, and holds nobody up', async () => {
    const [bad, good] = (await running('bad', 'good')) as [Job, Job]
    await refuses('bad', 'delete', 'update')
    commits.settle(bad, undefined)
    commits.settle(good, undefined)
    await turns()
    expect(told).toEqual(['unstorable bad', 'ended good gone', 'stuck bad'])
    expect(commits.stuckBy(bad.seq)?.message).toBe('no bad here')
    expect(await rows()).toEqual(['bad queued'])
    told.length = 0
    await seconds(5)
    expect(told).toEqual([])
    // The daemon ends: it is not silently left behind.
    expect(await commits.drained()).toEqual([bad])
  })

  test('is written as it ended when what was against it is mended, and others with it', async () => {
    const jobs = await running(...names('bad', 50))
    await refuses('bad', 'delete', 'update')
    for (const job of jobs)
      commits.settle(job, job.seq % 2 === 0 ? undefined : { ...job, attempts: 1, due: 5000 })
    await turns()
    expect(told.filter((what) => what.startsWith('stuck'))).toHaveLength(50)
    told.length = asked.length = 0
    await seconds(10)
    // One of them a second: never all of them, each second.
    expect(asked.length).toBeGreaterThan(5)
    expect(asked.length).toBeLessThanOrEqual(11)
    expect(new Set(asked.map(({ save, remove }) => (save[0] ?? remove[0])?.id)).size).toBe(asked.length)
    await mended('bad', 'delete', 'update')
    await seconds(2)
    expect(told.toSorted()).toEqual(
      jobs.map(({ id, seq }) => `ended ${id} ${seq % 2 === 0 ? 'gone' : 'queued'}`).toSorted(),
    )
    expect(await rows()).toHaveLength(25)
    expect(await commits.drained()).toEqual([])
    asked.length = 0
    await seconds(5)
    expect(asked).toEqual([])
  })

  test('is failed later where the disk is full meanwhile: its end is not lost', async () => {
    const [bad] = (await running('bad')) as [Job]
    await refuses('bad', 'delete')
    gate = {
      // biome-ignore lint/suspicious/noThenProperty: the second commit meets a full disk.
      then: (go: () => void) => {
        if (asked.length === 2) broken = new Error(FULL)
        go()
      },
    } as unknown as Promise<void>
    commits.settle(bad, undefined)
    await turns()
    expect(told).toEqual(['unstorable bad', `ill: ${FULL}`])
    gate = broken = undefined
    await seconds(1)
    expect(told.slice(2)).toEqual(['well', 'ended bad failed'])
    expect(await rows()).toEqual(['bad failed'])
  })

  test('a mark that cannot be written is told to whom it concerns', async () => {
    const [bad, good] = (await running('bad', 'good')) as [Job, Job]
    await refuses('bad', 'update')
    for (const job of [bad, good])
      commits.mark(
        { ...job, mark: 'started' },
        {
          stored: () => told.push(`marked ${job.id}`),
          lost: () => told.push(`lost ${job.id}`),
          refused: ({ message }) => told.push(`not marked ${job.id}: ${message}`),
        },
      )
    await turns()
    expect(told).toEqual(['not marked bad: no bad here', 'marked good'])
    expect((await sqlite.find('bad'))?.mark).toBe(null)
    expect((await sqlite.find('good'))?.mark).toBe('started')
  })

  test('written at once, before the queue moves: the bad are failed or stuck, the others go on, nobody is told', async () => {
    const [bad, worse, good] = (await running('bad', 'worse', 'good')) as [Job, Job, Job]
    await refuses('bad', 'delete')
    await refuses('worse', 'delete', 'update')
    const stuck = await commits.write([
      [bad, undefined],
      [worse, undefined],
      [good, { ...good, mark: 'suspect' }],
    ])
    expect(stuck).toEqual([worse])
    expect(told).toEqual(['unstorable bad', 'unstorable worse', 'stuck worse'])
    expect(await rows()).toEqual(['worse queued', 'good queued', 'bad failed'])
    broken = new Error(FULL)
    await expect(commits.write([[good, undefined]])).rejects.toThrow(FULL)
  })

  test('after a failure of the database nothing more is tried', async () => {
    await refuses('bad', 'insert')
    gate = {
      // biome-ignore lint/suspicious/noThenProperty: the third commit and what follows meet a full disk.
      then: (go: () => void) => {
        if (asked.length >= 3) broken = new Error(FULL)
        go()
      },
    } as unknown as Promise<void>
    const jobs = [...names('x', 99), 'bad']
    const refused = call(jobs)
    await turns()
    expect(asked).toHaveLength(3)
    expect(refused).toHaveLength(50)
    expect(told.toSorted()).toEqual([`ill: ${FULL}`, `stored ${names('x', 50)}`])
  })

  test('and many bad ones do not hold up the event loop', async () => {
    await refuses('bad', 'insert')
    const refused = call(names('bad', 4000))
    let turned = 0
    for (; refused.length === 0; turned++) await turn()
    expect(refused).toHaveLength(4000)
    expect(asked.length).toBeGreaterThan(4000)
    expect(asked.length).toBeLessThanOrEqual(2 * 4000)
    // Without a pause it is one.
    expect(turned).toBeGreaterThan(3)
  })

  test('beside a disk that fills up meanwhile: what is not written is refused or waits, and nothing is told twice', async () => {
    const [old] = (await running('old')) as [Job]
    await refuses('bad', 'insert')
    let left = 3
    gate = {
      // biome-ignore lint/suspicious/noThenProperty: counts the commits that begin.
      then: (go: () => void) => {
        if (--left < 0) broken = new Error(FULL)
        go()
      },
    } as unknown as Promise<void>
    const refused = call(['a', 'b', 'bad', 'c'])
    commits.settle(old, undefined)
    await turns()
    expect(told).toContain(`ill: ${FULL}`)
    expect(told).not.toContain('ended old gone')
    const missing = refused.map(([at]) => ['a', 'b', 'bad', 'c'][at])
    expect(missing).toContain('bad')
    const stored = await rows()
    for (const name of ['a', 'b', 'c'])
      expect(stored.includes(`${name} queued`)).toBe(!missing.includes(name))
    gate = broken = undefined
    await vi.advanceTimersByTimeAsync(1000)
    await turns()
    expect(told.filter((what) => what === 'ended old gone')).toHaveLength(1)
    expect(told.at(-1)).toBe('ended old gone')
  })
})

describe('outcomes', () => {
  test('are written together with what arrives, and told after the commit', async () => {
    const [a, b] = (await running('a', 'b')) as [Job, Job]
    commits.settle(a, undefined)
    commits.settle(b, { ...b, state: 'failed', failedAt: 1 })
    insert('c')
    await turns()
    expect(asked).toHaveLength(1)
    expect(told).toEqual(['answer c', 'ended a gone', 'ended b failed', 'stored c'])
    expect(await rows()).toEqual(['c queued', 'b failed'])
  })

  test('that cannot be written are kept, in order, and written once when it works again', async () => {
    const [a, b, c] = (await running('a', 'b', 'c')) as [Job, Job, Job]
    broken = new Error(FULL)
    commits.settle(a, undefined)
    await turns()
    commits.settle(b, { ...b, attempts: 1, due: 5000 })
    await turns()
    commits.settle(c, { ...c, state: 'held', reason: 'why' })
    await turns()
    expect(told).toEqual([`ill: ${FULL}`])
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(told).toEqual([`ill: ${FULL}`, 'well', 'ended a gone', 'ended b queued', 'ended c held'])
    expect(await rows()).toEqual(['b queued', 'c held'])
  })

  test('that come while a commit is failing go behind those that were in it', async () => {
    const [a, b] = (await running('a', 'b')) as [Job, Job]
    let open = (): void => {}
    gate = new Promise((resolve) => {
      open = resolve
    })
    broken = new Error(FULL)
    commits.settle(a, undefined)
    await turns()
    commits.settle(b, undefined)
    open()
    await turns()
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(told.slice(1)).toEqual(['well', 'ended a gone', 'ended b gone'])
  })

  test('that come while calls are refused do not wait for the next call', async () => {
    const [a] = (await running('a')) as [Job]
    let open = (): void => {}
    gate = new Promise((resolve) => {
      open = resolve
    })
    broken = new Error(FULL)
    insert('b')
    await turns()
    commits.settle(a, undefined)
    open()
    await turns()
    broken = undefined
    await vi.advanceTimersByTimeAsync(1000)
    await turns()
    expect(told).toEqual(['answer b: refused', `ill: ${FULL}`, 'well', 'ended a gone'])
  })

  test('wait while arrivals that came with them are refused', async () => {
    const [a] = (await running('a')) as [Job]
    broken = new Error(FULL)
    commits.settle(a, undefined)
    insert('b')
    await turns()
    expect(told).toEqual(['answer b: refused', `ill: ${FULL}`])
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(told.slice(2)).toEqual(['well', 'ended a gone'])
    expect(await rows()).toEqual([])
  })

  test('of a job that is saved and then removed end as they should', async () => {
    const [a] = (await running('a')) as [Job]
    broken = new Error(FULL)
    commits.settle(a, { ...a, attempts: 1 })
    await turns()
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    commits.settle(a, undefined)
    await turns()
    expect(await rows()).toEqual([])
  })
})

describe('while the database fails', () => {
  test('health is told once when it begins and once when it is over, each time', async () => {
    const [a] = (await running('a')) as [Job]
    for (let outage = 0; outage < 2; outage++) {
      broken = new Error(FULL)
      commits.settle(a, { ...a, attempts: outage })
      for (let i = 0; i < 5; i++) {
        insert(`x${i}`)
        await turns()
        await vi.advanceTimersByTimeAsync(1000)
      }
      broken = undefined
      await vi.advanceTimersByTimeAsync(1000)
      await turns()
    }
    const health = told.filter((what) => !what.startsWith('answer') && !what.startsWith('ended'))
    expect(health).toEqual([`ill: ${FULL}`, 'well', `ill: ${FULL}`, 'well'])
  })

  test('outcomes are tried four times a second, however many calls are refused meanwhile', async () => {
    const [a] = (await running('a')) as [Job]
    broken = new Error(FULL)
    commits.settle(a, undefined)
    for (let i = 0; i < 100; i++) {
      insert(`x${i}`)
      await turns()
    }
    asked.length = 0
    for (let ms = 0; ms < 1000; ms += 50) {
      await vi.advanceTimersByTimeAsync(50)
      await turns()
    }
    expect(asked.length).toBeGreaterThanOrEqual(3)
    expect(asked.length).toBeLessThanOrEqual(5)
  })

  test('nothing is committed when it works again but what waited: no empty commits', async () => {
    const [a] = (await running('a')) as [Job]
    broken = new Error(FULL)
    commits.settle(a, undefined)
    for (let i = 0; i < 10; i++) {
      insert(`x${i}`)
      await turns()
    }
    broken = undefined
    asked.length = 0
    for (let ms = 0; ms < 1000; ms += 50) {
      await vi.advanceTimersByTimeAsync(50)
      await turns()
    }
    expect(asked.map(({ remove }) => remove.length)).toEqual([1])
  })

  test('one commit at a time, also when an outcome is tried again as a call arrives', async () => {
    const [a] = (await running('a')) as [Job]
    broken = new Error(FULL)
    commits.settle(a, undefined)
    await turns()
    broken = undefined
    let open = (): void => {}
    gate = new Promise((resolve) => {
      open = resolve
    })
    insert('b')
    // Without a turn of the event loop between: the timer of the outcome, then what the call scheduled.
    vi.advanceTimersByTime(250)
    await turns()
    insert('c')
    await turns()
    expect(atOnce).toBe(1)
    open()
    await turns()
    await vi.advanceTimersByTimeAsync(1000)
    await turns()
    expect(await rows()).toEqual(['b queued', 'c queued'])
    expect(atOnce).toBe(1)
  })
})

describe('more arrivals than one commit takes', () => {
  const many = (prefix: string, count: number): string[] =>
    Array.from({ length: count }, (_, at) => `${prefix} ${at}`)

  /** Inserts them, and tells only who was answered. */
  const arrive = (name: string, ids: readonly string[], together = false): void =>
    commits.insert(
      ids.map(newJob),
      (notStored) => told.push(`answer ${name}${notStored.length === 0 ? '' : ': refused'}`),
      together,
    )

  const answers = (): string[] => told.filter((what) => what.startsWith('answer'))

  test('go on in the next turns, each whole and in its order; what has ended goes at once', async () => {
    const ended = await running('a', 'b')
    arrive('one', many('one', 6000))
    arrive('two', many('two', 4000))
    arrive('three', many('three', 1))
    arrive('batch', many('batch', 12_000), true)
    arrive('four', many('four', 10_000))
    for (const job of ended) commits.settle(job, undefined)
    const drained = commits.drained().then(() => true)
    let turned = 0
    while (!(await Promise.race([drained, turn(false)]))) turned++
    expect(asked.map(({ insert, remove }) => [insert.length, remove.length])).toEqual([
      [10_000, 2],
      [1, 0],
      [12_000, 0],
      [10_000, 0],
    ])
    expect(turned).toBeGreaterThanOrEqual(3)
    expect(answers()).toEqual(['one', 'two', 'three', 'batch', 'four'].map((name) => `answer ${name}`))
    expect(await sqlite.counts(1000)).toMatchObject({ waiting: 32_001 })
  })

  test('are not stored anew where a commit that they were not in has ended them', async () => {
    const [a] = (await running('a')) as [Job]
    arrive('one', many('one', 10_000))
    arrive('two', many('two', 10_000))
    arrive('three', ['a', 'b'])
    commits.settle(a, undefined)
    await commits.drained()
    expect(asked).toHaveLength(3)
    expect(asked[2]?.insert.map(({ id }) => id)).toEqual(['b'])
    expect(await sqlite.find('a')).toBeUndefined()
    expect(answers()).toEqual(['answer one', 'answer two', 'answer three'])
  })

  test('are refused unwritten where an fsync has left the first of them in doubt, which is not', async () => {
    broken = Object.assign(new Error('disk I/O error'), { errcode: 1034 })
    arrive('one', many('one', 10_000))
    arrive('two', many('two', 10_000))
    await turns()
    expect(asked).toHaveLength(1)
    expect(answers()).toEqual(['answer two: refused'])
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(answers()).toEqual(['answer two: refused', 'answer one'])
    expect(await sqlite.counts(1000)).toMatchObject({ waiting: 10_000 })
  })
})

test('a job that is sent again while the commit that ends it is under way is not stored anew', async () => {
  const [a] = (await running('a')) as [Job]
  let open = (): void => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  commits.settle(a, undefined)
  await turns()
  insert('new', 'a')
  insert('a')
  open()
  await turns()
  expect(told).toEqual(['ended a gone', 'answer new,a', 'answer a', 'stored new'])
  expect(await rows()).toEqual(['new queued'])
})

test('while the database fails, outcomes are tried by the clock and not each as it comes', async () => {
  const jobs = await running('a', 'b', 'c', 'd')
  broken = new Error(FULL)
  for (const job of jobs) {
    commits.settle(job, undefined)
    await turns()
  }
  expect(asked).toHaveLength(1)
  broken = undefined
  await vi.advanceTimersByTimeAsync(250)
  await turns()
  expect(asked).toHaveLength(2)
  expect(await rows()).toEqual([])
})

describe('drained', () => {
  const drains = async (): Promise<boolean> => {
    let done = false
    void commits.drained().then(() => {
      done = true
    })
    await turns()
    return done
  }

  test('at once where nothing waits', async () => {
    expect(await drains()).toBe(true)
  })

  test('after what waits has been committed and told', async () => {
    const [a] = (await running('a')) as [Job]
    insert('b')
    commits.settle(a, undefined)
    await commits.drained()
    expect(told).toEqual(['answer b', 'ended a gone', 'stored b'])
  })

  test('after the commit that is under way, and what came meanwhile', async () => {
    let open = (): void => {}
    gate = new Promise((resolve) => {
      open = resolve
    })
    insert('a')
    await turns()
    insert('b')
    expect(await drains()).toBe(false)
    open()
    await commits.drained()
    expect(told).toEqual(['answer a', 'stored a', 'answer b', 'stored b'])
  })

  test('when what waits cannot be committed', async () => {
    const [a] = (await running('a')) as [Job]
    broken = new Error(FULL)
    insert('b')
    commits.settle(a, undefined)
    await commits.drained()
    expect(told).toEqual(['answer b: refused', `ill: ${FULL}`])
    expect(await drains()).toBe(true)
  })

  test('not before an outcome was tried, though an earlier commit had failed', async () => {
    const [a] = (await running('a')) as [Job]
    broken = new Error(FULL)
    insert('b')
    await turns()
    broken = undefined
    commits.settle(a, undefined)
    await commits.drained()
    expect(await rows()).toEqual([])
  })
})

describe('a commit that fails when it is perhaps written', () => {
  /** SQLITE_IOERR_FSYNC */
  const fsync = (): Error => Object.assign(new Error('disk I/O error'), { errcode: 1034 })

  test('is answered when it has been written again, and not before', async () => {
    broken = fsync()
    insert('a')
    await turns()
    expect(told).toEqual(['ill: disk I/O error'])
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(told).toEqual(['ill: disk I/O error', 'well', 'answer a', 'stored a'])
    expect(await rows()).toEqual(['a queued'])
    await vi.advanceTimersByTimeAsync(10_000)
    expect(asked).toHaveLength(2)
  })

  test('is not refused for what fails later; what arrives then is', async () => {
    broken = fsync()
    insert('a')
    await turns()
    broken = new Error(FULL)
    insert('b')
    await turns()
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['ill: disk I/O error', 'answer b: refused'])
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(told.slice(2)).toEqual(['well', 'answer a', 'stored a'])
    expect(await rows()).toEqual(['a queued'])
  })

  test('what arrives meanwhile is refused unwritten, but what was asked before is answered with it', async () => {
    broken = fsync()
    insert('a')
    await turns()
    insert('b')
    insert('a')
    await turns()
    expect(told).toEqual(['ill: disk I/O error', 'answer b: refused'])
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(told.slice(2)).toEqual(['well', 'answer a', 'answer a', 'stored a'])
    expect(await rows()).toEqual(['a queued'])
  })

  test('is answered, too, where it was asked again while it was being written', async () => {
    broken = fsync()
    insert('a')
    await turns()
    broken = undefined
    let go = () => {}
    gate = new Promise((resolve) => {
      go = resolve
    })
    await vi.advanceTimersByTimeAsync(250)
    insert('a')
    go()
    await turns()
    await vi.advanceTimersByTimeAsync(1000)
    await turns()
    expect(told.filter((what) => what === 'answer a')).toHaveLength(2)
    expect(await rows()).toEqual(['a queued'])
  })

  test('while one of its jobs is bad: that one is refused, the others are written again, and it is answered once', async () => {
    sqlite.kysely.executeQuery(
      sql`create trigger no before insert on jobs when new.id = 'bad' begin select raise(abort, 'no'); end`.compile(
        sqlite.kysely,
      ),
    )
    let left = 2
    gate = {
      // biome-ignore lint/suspicious/noThenProperty: counts the commits that begin.
      then: (go: () => void) => {
        if (--left < 0) broken = fsync()
        go()
      },
    } as unknown as Promise<void>
    const answers: [number, string][][] = []
    commits.insert(['a', 'bad', 'c', 'd'].map(newJob), (notStored) =>
      answers.push(notStored.map(([at, error]) => [at, error.message])),
    )
    await turns()
    expect(answers).toEqual([])
    gate = broken = undefined
    await vi.advanceTimersByTimeAsync(1000)
    await turns()
    expect(answers).toEqual([[[1, expect.stringContaining('does not take this job: no')]]])
    expect((await rows()).toSorted()).toEqual(['a queued', 'c queued', 'd queued'])
  })

  test('however often it is asked again, its jobs are written once, and nobody else waits for it', async () => {
    broken = fsync()
    let waits = 0
    const answered: number[] = []
    for (let time = 0; time < 10; time++) {
      commits.insert(
        ['a', 'b'].map(newJob),
        () => answered.push(time),
        false,
        () => waits++,
      )
      await turns()
    }
    broken = undefined
    await vi.advanceTimersByTimeAsync(250)
    await turns()
    expect(asked.at(-1)?.insert.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(waits).toBe(10)
    // A client that asks again has lost the connection on which it had asked before.
    expect(answered).toEqual([6, 7, 8, 9])
    expect(await rows()).toEqual(['a queued', 'b queued'])
  })

  test('holds up the end of the daemon for as long as the outcomes do', async () => {
    broken = fsync()
    insert('a')
    await turns()
    let drained = false
    void commits.drained(60_000).then(() => {
      drained = true
    })
    await turns()
    expect(drained).toBe(false)
    broken = undefined
    await vi.advanceTimersByTimeAsync(500)
    await turns()
    expect([drained, told.at(-2)]).toEqual([true, 'answer a'])
  })
})

test('whatever fails and when: what was answered is stored, every outcome is written once', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('insert' as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant('settle' as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({
      kind: fc.constantFrom('break' as const, 'mend' as const, 'turn' as const),
      count: fc.constant(0),
    }),
    fc.record({ kind: fc.constant('wait' as const), count: fc.nat(300) }),
  )
  let round = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      round++
      told.length = 0
      let next = 0
      const jobs = [...(await running(...Array.from({ length: 20 }, (_, i) => `run ${round} ${i}`)))]
      const ended: string[] = []
      const outcome = new Map(jobs.map((job) => [job.id, 'queued']))
      const act = {
        insert: (count: number) => insert(...Array.from({ length: count }, () => `new ${round} ${next++}`)),
        settle: (count: number) => {
          for (const job of jobs.splice(0, count)) {
            ended.push(job.id)
            const fails = job.seq % 2 === 0
            outcome.set(job.id, fails ? 'failed' : 'gone')
            commits.settle(job, fails ? { ...job, state: 'failed', failedAt: 1 } : undefined)
          }
        },
        break: () => {
          broken = new Error(FULL)
        },
        mend: () => {
          broken = undefined
        },
        turn: () => turns(),
        wait: (ms: number) => vi.advanceTimersByTimeAsync(ms),
      }
      for (const { kind, count } of steps) await act[kind](count)
      broken = undefined
      await vi.advanceTimersByTimeAsync(1000)
      await turns()
      const there = await rows()
      const answered = told.filter((what) => what.startsWith('answer'))
      for (const what of answered) {
        const [list = '', refused] = what.slice('answer '.length).split(': ')
        for (const id of list.split(','))
          expect([id, there.includes(`${id} queued`)]).toEqual([id, refused === undefined])
      }
      expect(answered.flatMap((what) => what.slice(7).split(': ')[0]?.split(',') ?? [])).toHaveLength(next)
      expect(told.filter((what) => what.startsWith('ended'))).toEqual(
        ended.map((id) => `ended ${id} ${outcome.get(id)}`),
      )
      for (const [id, state] of outcome)
        expect([id, there.find((row) => row.startsWith(`${id} `)) ?? `${id} gone`]).toEqual([
          id,
          `${id} ${state}`,
        ])
    }),
    { numRuns: 60 },
  )
})

test('what is known to be bad is not tried again as a whole', async () => {
  const tried: number[] = []
  const commit = async (part: readonly number[]): Promise<void> => {
    tried.push(part.length)
    if (part.includes(1023)) throw new Error('the last is bad')
  }
  const units = Array.from({ length: 1024 }, (_, at) => at)
  const failed = await halve(units, new Error('one is bad'), commit, () => true)
  expect([...failed.keys()]).toEqual([1023])
  expect(tried).toEqual([512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1])
})

test('of any units the bad ones are found, in few commits; the others are made durable in order, each once', async () => {
  const plan = fc.record({
    bad: fc.array(fc.boolean(), { minLength: 1, maxLength: 300 }),
    known: fc.boolean(),
    outageAt: fc.option(fc.nat(30), { nil: undefined }),
  })
  const [theirs, ours] = [new Error('bad row'), new Error(FULL)]
  await fc.assert(
    fc.asyncProperty(plan, async ({ bad, known, outageAt }) => {
      const units = bad.map((isBad, at) => ({ isBad, at }))
      const wrong = units.filter(({ isBad }) => isBad)
      fc.pre(!known || wrong.length > 0)
      const stored: typeof units = []
      let tries = 0
      const commit = async (part: typeof units): Promise<void> => {
        if (tries++ === outageAt) throw ours
        if (part.some(({ isBad }) => isBad)) throw theirs
        stored.push(...part)
      }
      const failed = await halve(
        units,
        known ? theirs : undefined,
        (part) => commit([...part]),
        (error) => error === theirs,
      )
      expect([...stored, ...failed.keys()].toSorted((a, b) => a.at - b.at)).toEqual(units)
      expect(stored).toEqual(stored.toSorted((a, b) => a.at - b.at))
      for (const [unit, error] of failed) if (error === theirs) expect(unit.isBad).toBe(true)
      if (outageAt !== undefined && tries > outageAt) expect(tries).toBe(outageAt + 1)
      else expect([...failed.keys()]).toEqual(wrong)
      expect(tries).toBeLessThanOrEqual(1 + 2 * wrong.length * Math.ceil(Math.log2(units.length)))
    }),
  )
})
