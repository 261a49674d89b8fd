/** K17: schema changes are numbered migrations, applied in order; one can be marked as applied. */
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'

const UNDO_PRIORITY =
  "drop index jobs_by_turn; alter table jobs drop column priority; create index jobs_by_turn on jobs (due, seq) where state = 'queued'"
const UNDO_RESULTS = `${UNDO_PRIORITY}; drop index jobs_expiring; alter table jobs drop column awaited; alter table jobs drop column result; alter table jobs drop column expires; alter table jobs drop column kept; alter table jobs drop column options`
const UNDO_RUNS = `${UNDO_RESULTS}; drop index jobs_marked; alter table jobs drop column mark; alter table jobs drop column failures`

const ALL = ['0001_jobs', '0002_nodes', '0003_runs', '0004_results', '0005_priority', '0006_claims']

test('K17: migrate --list shows what has been applied, migrate applies the rest, once', async () => {
  const project = await makeProject()
  const states = () => project.json<{ name: string; applied: boolean }[]>('migrate', '--list')
  expect(await states()).toEqual(ALL.map((name) => ({ name, applied: false })))
  expect(await project.ztask('migrate')).toMatchObject({ code: 0, stdout: `applied: ${ALL.join(', ')}\n` })
  expect(await project.ztask('migrate')).toMatchObject({ code: 0, stdout: 'nothing to apply\n' })
  expect(await states()).toEqual(ALL.map((name) => ({ name, applied: true })))
  expect((await project.ztask('migrate', '--list')).stdout).toBe(ALL.map((name) => `[x]  ${name}\n`).join(''))
})

test('migrate --list where there is no database makes none', async () => {
  const project = await makeProject()
  expect((await project.ztask('migrate', '--list')).stdout).toBe(ALL.map((name) => `[ ]  ${name}\n`).join(''))
  expect(existsSync(project.path('.ztask/ztask.db'))).toBe(false)
})

test('a command that only looks leaves a database of an older ztask as it is, and says how to migrate it', async () => {
  const project = await makeProject()
  await project.ztask('migrate')
  project.sql(`delete from ztask_migrations where name in ('0005_priority', '0006_claims')`)
  project.sql(UNDO_PRIORITY)
  for (const argv of [['status'], ['list'], ['show', 'id']]) {
    const { code, stderr } = await project.ztask(...argv)
    expect(code).toBe(1)
    expect(stderr).toContain(
      'lacks 0005_priority, 0006_claims: it was made by an older ztask. Copy it, then run npx ztask migrate',
    )
  }
  expect((await project.ztask('migrate')).stdout).toBe('applied: 0005_priority, 0006_claims\n')
  expect((await project.ztask('status')).code).toBe(0)
})

test('K17: migrate --fake 0001 marks it as applied without running it, for a database that has the change', async () => {
  const project = await makeProject()
  await project.ztask('migrate')
  // As a database whose first table was made by hand.
  project.sql(`${UNDO_RUNS}; drop table nodes; drop table ztask_migrations; drop table ztask_migrations_lock`)
  const again = await project.ztask('migrate')
  expect(again.code).toBe(1)
  expect(again.stderr).toContain('table "jobs" already exists')
  expect((await project.ztask('migrate', '--fake', '0002')).stderr).toContain(
    '0001_jobs comes before 0002_nodes',
  )
  expect(await project.ztask('migrate', '--fake', '0001')).toMatchObject({
    code: 0,
    stdout: 'marked as applied: 0001_jobs\n',
  })
  expect((await project.ztask('migrate', '--fake', '0001')).stderr).toContain('has been applied already')
  expect((await project.ztask('migrate', '--fake', '7')).stderr).toContain(`No migration '7'`)
  expect(await project.ztask('migrate')).toMatchObject({
    code: 0,
    stdout: 'applied: 0002_nodes, 0003_runs, 0004_results, 0005_priority, 0006_claims\n',
  })
  await project.daemon()
  await project.client().note.async('works')
  await project.hasRun('works')
})

test('K17: a database that a newer ztask has migrated is refused, by the daemon and by migrate', async () => {
  const project = await makeProject()
  await project.ztask('migrate')
  project.sql(`insert into ztask_migrations (name, timestamp) values ('9999_future', '2100-01-01')`)
  for (const ended of [await project.launch().ended, await project.ztask('migrate')]) {
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('has been migrated by a newer ztask (9999_future). Update ztask')
  }
})

test('K17: migrate leaves a database alone that a daemon holds', async () => {
  const project = await makeProject()
  await project.daemon()
  expect(await project.ztask('migrate')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is held by a daemon. Stop it first.'),
  })
  expect(await project.ztask('migrate', '--list')).toMatchObject({ code: 0 })
})
