/** The table: what a row holds, in which units, and what finds it. */
import { DatabaseSync, type SQLInputValue, StatementSync } from 'node:sqlite'
import { beforeAll, expect, test, vi } from 'vitest'
import { SqliteStore } from '../../dist/src/store/sqlite.js'
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
beforeAll(async () => {
  project = await shareProject()
  await project.daemon()
})

test('K17: a row has the id, name, arguments, attempts, error, next attempt, created and failed', async () => {
  const { failOnce } = project.client()
  const { id } = await failOnce.async('z')
  await project.job(id, 'failed')
  const row = project.rows().find((one) => one.id === id)
  expect(row).toMatchObject({ id, task: 'failOnce', args: '["z"]', attempts: 1, state: 'failed' })
  expect(Object.keys(row ?? {})).toEqual(
    expect.arrayContaining(['id', 'task', 'args', 'attempts', 'failure', 'due', 'created', 'failed_at']),
  )
  expect(JSON.parse(row?.failure ?? '')).toMatchObject({ name: 'Error', message: 'no retry' })
})

test('B24: every time in a row is in epoch milliseconds', async () => {
  const { failOnce, note } = project.client()
  const before = Date.now()
  const failed = await failOnce.async('timed')
  await project.job(failed.id, 'failed')
  const planned = await note.at(new Date('2101-01-01T00:00:00Z'), 'far')
  const after = Date.now()
  const types = project.sql<Record<string, string>>(
    'select distinct typeof(created) as created, typeof(due) as due from jobs',
  )
  expect(types).toEqual([{ created: 'integer', due: 'integer' }])
  const [one, other] = [failed, planned].map(({ id }) => project.rows().find((row) => row.id === id))
  for (const time of [one?.created, one?.due, one?.failed_at, other?.created]) {
    expect(time).toBeGreaterThanOrEqual(before)
    expect(time).toBeLessThanOrEqual(after)
  }
  expect(other?.due).toBe(Date.UTC(2101, 0, 1))
})

/** Runs what the store does with queued, failed and held jobs. @returns the statements that it ran, with their values */
const statementsOfTheStore = async (file: string): Promise<[sql: string, values: SQLInputValue[]][]> => {
  const ran: [string, SQLInputValue[]][] = []
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare')
  const all = vi.spyOn(StatementSync.prototype, 'all')
  const run = vi.spyOn(StatementSync.prototype, 'run')
  const sqlOf = (statement: unknown) =>
    prepare.mock.calls[prepare.mock.results.findIndex(({ value }) => value === statement)]?.[0] ?? ''
  const store = new SqliteStore(file)
  try {
    await store.nearest(0, 10, 2 ** 20)
    await store.counts(Date.now())
    await store.find('an id')
    await store.list({ state: 'failed', limit: 10 })
    await store.list({ state: 'queued', due: { now: Date.now(), past: true }, limit: 10 })
    await store.retryFailed(0, ['an id'])
    await store.retryFailed(0)
    await store.deleteFailed()
    await store.free(['note'])
    for (const { mock } of [all, run])
      mock.calls.forEach((values, index) => {
        ran.push([sqlOf(mock.contexts[index]), values as SQLInputValue[]])
      })
  } finally {
    vi.restoreAllMocks()
    await store.close()
  }
  return ran
}

test('B24: the statements of the store find what is next, and what failed, by an index', async () => {
  const project = await makeProject()
  expect(await project.ztask('migrate')).toMatchObject({ code: 0 })
  const statements = await statementsOfTheStore(project.path('.ztask/ztask.db'))
  expect(statements.length).toBeGreaterThanOrEqual(10)
  project.withDatabase((db) => {
    for (const [sql, values] of statements) {
      const plan = db.prepare(`explain query plan ${sql}`).all(...values)
      const steps = plan.map(({ detail }) => String(detail)).join('; ')
      expect(steps, sql).toMatch(/INDEX/)
      expect(steps, sql).not.toMatch(/SCAN jobs$|SCAN jobs;/)
    }
    const [sql = '', values = []] = statements[0] ?? []
    const next = db.prepare(`explain query plan ${sql}`).all(...values)
    // The order is the index's: nothing is sorted.
    expect(next).toMatchObject([
      { detail: 'SEARCH jobs USING INDEX jobs_by_turn (priority=? AND due=? AND seq>?)' },
    ])
  })
})
