/** What users and their servers do: another schema, other rights, a server that is not there; commands where no daemon runs. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { migrations } from '../../migrations/index.ts'
import { listMigrations, migrate } from '../../src/store/migrate.ts'
import { PostgresStore } from '../../src/store/postgres.ts'
import { freePort } from '../harness/ports.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

/** A schema that is there for one test. */
const schemaOf = (): string => `ztask_test_${randomUUID().slice(0, 8)}`

const sql = async (...texts: readonly string[]): Promise<pg.QueryResult> => {
  const client = new pg.Client({ connectionString: inject('postgres') })
  await client.connect()
  try {
    let result = await client.query('select')
    for (const text of texts) result = await client.query(text)
    return result
  } finally {
    await client.end()
  }
}

const make = async (schema: string, url = inject('postgres')): Promise<TestProject> =>
  makeProject({ config: `database: '${url}', schema: '${schema}', retryCount: 0` })

test('jobs are in the schema that is set; commands find them where no daemon runs', async () => {
  const schema = schemaOf()
  const project = await make(schema)
  const daemon = await project.daemon()
  const { failOnce, note } = project.client()
  const failed = await failOnce.async('x')
  const later = await note.after(3600, 'later')
  await until('it to have failed', async () => (await failed.status()) === 'failed')
  await daemon.kill('SIGTERM')
  expect((await sql(`select task, state from ${schema}.jobs order by seq`)).rows).toEqual([
    { task: 'failOnce', state: 'failed' },
    { task: 'note', state: 'queued' },
  ])
  expect(await project.json('status')).toMatchObject({ failed: 1, scheduled: 1, waiting: 0 })
  expect(await project.json('show', failed.id)).toMatchObject({ state: 'failed' })
  expect(await project.ztask('delete', '--failed')).toMatchObject({ code: 0 })
  expect(await project.ztask('cancel', later.id)).toMatchObject({ code: 0 })
  expect((await sql(`select * from ${schema}.jobs`)).rows).toEqual([])
})

test('a job that a killed daemon had in hand is cancelled where none runs', async () => {
  const schema = schemaOf()
  const project = await make(schema)
  const daemon = await project.daemon()
  const job = await project.client().act.async('wait', 'go')
  await project.hasRun('wait:go')
  await daemon.kill()
  expect(await project.ztask('cancel', job.id)).toMatchObject({ code: 0 })
  expect((await sql(`select * from ${schema}.jobs`)).rows).toEqual([])
})

test('a daemon holds its lock again when the connection of it was lost', async () => {
  const schema = schemaOf()
  const project = await make(schema)
  await project.daemon()
  const locks = `select pid from pg_stat_activity where application_name = 'ztask lock' and query like '%hashtext%'
    and pid in (select pid from pg_locks where locktype = 'advisory' and granted)`
  const held = new Set((await sql(locks)).rows.map(({ pid }) => pid))
  const { rows } = await sql(
    `select pid, pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
      and ((classid::bigint << 32) | objid::bigint) = hashtextextended('ztask ${schema}', 0)`,
  )
  expect(rows).toHaveLength(1)
  await until('it to be held again', async () => (await sql(locks)).rows.some(({ pid }) => !held.has(pid)))
  // Whoever is to be alone is not.
  expect((await project.ztask('migrate')).code).not.toBe(0)
})

test('many that migrate at once do so one after the other', async () => {
  const schema = schemaOf()
  const stores = Array.from({ length: 8 }, () => new PostgresStore({ url: inject('postgres'), schema }))
  const applied = await Promise.all(stores.map((store) => migrate(store)))
  expect(applied.filter((names) => names.length > 0)).toEqual([Object.keys(migrations)])
  for (const store of stores) await store.close()
})

test('who may not change tables runs a daemon where another has migrated, and is told what to do where none has', async () => {
  const schema = schemaOf()
  const role = `role_${schema}`
  onTestFinished(async () => void (await sql(`drop owned by ${role}`, `drop role ${role}`)))
  await sql(`create role ${role} login password 'secret'`)
  const url = inject('postgres').replace('postgres:postgres@', `${role}:secret@`)
  const project = await make(schema, url)
  const early = project.launch()
  expect(await early.ended).toMatchObject({ code: 1 })
  expect(early.stdout + early.stderr).toMatch(/permission denied.*run npx ztask migrate as one who has it/)
  expect((await project.ztask('migrate', '--database', inject('postgres'))).stdout).toMatch(
    /^applied: 0001_jobs/,
  )
  await sql(
    `grant usage on schema ${schema} to ${role}`,
    `grant select, insert, update, delete on all tables in schema ${schema} to ${role}`,
    `grant usage on all sequences in schema ${schema} to ${role}`,
  )
  await project.daemon()
  await project.client().note.async('granted')
  await project.hasRun('granted')
})

test('a schema of a newer ztask, and one of an older where a command only looks, are refused', async () => {
  const schema = schemaOf()
  const project = await make(schema)
  const store = new PostgresStore({ url: inject('postgres'), schema })
  expect(await listMigrations(store)).toEqual(
    Object.keys(migrations).map((name) => ({ name, applied: false })),
  )
  expect(await project.ztask('status')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('lacks 0001_jobs'),
  })
  await migrate(store)
  await store.close()
  await sql(`insert into ${schema}.ztask_migrations values ('9999_future', 'then')`)
  const daemon = project.launch()
  expect(await daemon.ended).toMatchObject({ code: 1 })
  expect(daemon.stdout + daemon.stderr).toContain('newer ztask (9999_future)')
})

test('a server that cannot be used is named, without its password, with what to do', async () => {
  const server = new URL(inject('postgres'))
  const at = (change: (url: URL) => void): string => {
    const url = new URL(server)
    change(url)
    return url.href
  }
  const port = await freePort()
  const cases: readonly (readonly [string, RegExp])[] = [
    [at((url) => (url.port = String(port))), /ECONNREFUSED.*Start the server, or check the address/],
    [
      at((url) => (url.password = 'hunter2')),
      /password authentication failed.*Check the user and the password/,
    ],
    [at((url) => (url.pathname = '/none')), /database "none" does not exist.*createdb/],
    [at((url) => (url.hostname = 'none.invalid')), /(ENOTFOUND|EAI_AGAIN).*check the address/],
  ]
  for (const [url, said] of cases) {
    const project = await make('ztask', url)
    const [daemon, status] = await Promise.all([project.launch().ended, project.ztask('status')])
    for (const { code, stdout, stderr } of [daemon, status]) {
      expect({ code, said: stdout + stderr }).toMatchObject({ code: 1, said: expect.stringMatching(said) })
      expect(stdout + stderr).not.toMatch(/hunter2|postgres:postgres/)
    }
  }
})
