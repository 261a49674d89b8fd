/** How SQLite finds the rows of each statement: by an index, however many there are. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Job, type NewJob, STORED_STATES, settle } from '../../src/model/job.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import { newJobOf } from '../harness/jobs.ts'

const ROWS = 10_000
const FAILURE = { name: 'Error', message: 'no', stack: '' }

let folder: string
let store: SqliteStore
/** Every statement that the store has prepared. */
const prepared = new Set<string>()
/** Every member of the store that was asked for. */
const used = new Set<PropertyKey>()
/** Of these none reads a row. */
const NO_QUERIES = ['constructor', 'isJobsFault', 'mayBeStored', 'close']

const jobOf = (index: number): NewJob => ({
  ...newJobOf(`job ${index}`, { task: `task ${index % 10}`, args: '["a"]', created: index }),
  due: index % 2 === 0 ? 1000 : 1_000_000 + index,
  state: STORED_STATES[index % 20 === 0 ? 1 : index % 20 === 1 ? 2 : 0] as Job['state'],
  priority: index % 7 === 0 ? 5 : 0,
})

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ztask-plans-'))
  store = new SqliteStore(join(folder, 'ztask.db'))
  await migrate(store)
  const original = DatabaseSync.prototype.prepare
  vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (this: DatabaseSync, text: string) {
    prepared.add(text)
    return original.call(this, text)
  })
  const watched = new Proxy(store, {
    get: (target, name) => {
      used.add(name)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  await everyVerb(watched)
})

afterAll(async () => {
  vi.restoreAllMocks()
  await store.close()
  rmSync(folder, { recursive: true })
})

/** Uses the store in every way that a daemon and a command do. */
const everyVerb = async (store: SqliteStore): Promise<void> => {
  const { inserted: jobs } = await store.commit({
    insert: Array.from({ length: ROWS }, (_, index) => jobOf(index)),
    save: [],
    remove: [],
  })
  const [first, second, third] = jobs as [Job, Job, Job]
  const started = settle(first, { kind: 'started' }, 0) as Job
  const failed = settle(second, { kind: 'unstorable', failure: FAILURE }, 0) as Job
  await store.commit({ insert: [jobOf(ROWS)], save: [started, failed], remove: [third] })
  await store.nearest(0, 100, 2 ** 20)
  await store.nearest(5, 100, 2 ** 20, first)
  await store.priorities()
  await store.marked()
  await store.find(first.id)
  await store.counts(5000)
  for (const state of STORED_STATES)
    for (const task of [undefined, 'task 3'])
      for (const since of [undefined, 7]) {
        await store.list({ state, task, since, limit: 10 })
        if (state === 'queued')
          for (const past of [true, false])
            await store.list({ state, task, since, due: { now: 5000, past }, limit: 10 })
      }
  await store.retryFailed(5000, ['job 1'])
  await store.retryFailed(5000)
  await store.deleteFailed(['job 1'])
  await store.deleteFailed()
  await store.free(['task 3'])
  await store.removeExpired(5000, 10, 1000)
  await store.nextExpiry()
  await store.boot(1, 'tcp://a:1', 1)
  await store.node()
}

const plansOf = (text: string): string[] => {
  const db = new DatabaseSync(join(folder, 'ztask.db'), { readOnly: true })
  try {
    return db
      .prepare(`explain query plan ${text}`)
      .all()
      .map(({ detail }) => String(detail))
  } finally {
    db.close()
  }
}

const named = (pattern: RegExp): string => {
  const found = [...prepared].filter((text) => pattern.test(text))
  expect(found.length, String(pattern)).toBeGreaterThan(0)
  return found[0] as string
}

test('every verb of the store was used, so that its statements are known', () => {
  const verbs = Object.getOwnPropertyNames(SqliteStore.prototype)
  expect(verbs.filter((name) => !used.has(name) && !NO_QUERIES.includes(name))).toEqual([])
})

test('no statement reads the whole table, and none sorts it', () => {
  expect(prepared.size).toBeGreaterThan(15)
  const bad = [...prepared].flatMap((text) =>
    plansOf(text)
      // A list in the statement itself, or in its parameter, is no table, nor is a query in it, whose plan has a line of its
      // own; what is at rest is counted in an index of just that.
      .filter((detail) => /^SCAN|TEMP B-TREE/.test(detail))
      .filter(
        (detail) =>
          !/^SCAN jobs USING COVERING INDEX jobs_at_rest|^SCAN \d+-ROW|^SCAN (sizes|first|added|\(subquery-\d+\))$|^SCAN json_each/.test(
            detail,
          ),
      )
      .map((detail) => `${detail}: ${text}`),
  )
  expect(bad).toEqual([])
})

test.each([
  [
    'a change',
    /^update "jobs" set "state" = .* where "seq" =/,
    'SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)',
  ],
  ['a removal', /^delete from "jobs" where "seq" =/, 'SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)'],
  [
    'a removal of many',
    /^delete from "jobs" where "seq" in \(select value/,
    [
      'SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)',
      'LIST SUBQUERY 1',
      'SCAN json_each VIRTUAL TABLE INDEX 1:',
    ],
  ],
  [
    'what is next, due at that moment',
    /^select "seq", .*"due" = \? and "seq" > \? order by "due", "seq" limit/,
    'SEARCH jobs USING INDEX jobs_by_turn (priority=? AND due=? AND seq>?)',
  ],
  [
    'what is next, due later',
    /^select "seq", .*"due" > \? order by "due", "seq" limit/,
    'SEARCH jobs USING INDEX jobs_by_turn (priority=? AND due>?)',
  ],
  [
    'how large that is',
    /^select coalesce.*"due" > \? order by "due", "seq" limit/,
    ['CO-ROUTINE sizes', 'SEARCH jobs USING INDEX jobs_by_turn (priority=? AND due>?)', 'SCAN sizes'],
  ],
  [
    'what has expired',
    /^delete from "jobs" where .*"expires" <= \?/,
    expect.arrayContaining([
      'SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)',
      'SEARCH jobs USING INDEX jobs_expiring (expires<?)',
    ]),
  ],
  [
    'which priorities there are',
    /^select "priority" from/,
    'SEARCH jobs USING COVERING INDEX jobs_by_turn (priority<?)',
  ],
  ['what was under way', /"mark" is not null/, 'SEARCH jobs USING INDEX jobs_marked (mark>?)'],
  ['a job by its id', /from "jobs" where "id" =/, 'SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)'],
])('%s is found by its index', (_, pattern, plan) => {
  expect(plansOf(named(pattern))).toEqual(typeof plan === 'string' ? [plan] : plan)
})
