/** The plans of what is asked often, made while the table was empty, on one that has grown. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { migrate } from '../../src/store/migrate.ts'
import { PostgresStore, SETTINGS } from '../../src/store/postgres.ts'
import { PostgresStatements, type Prepared } from '../../src/store/postgres-statements.ts'
import { jobOf, newJobOf } from '../harness/jobs.ts'

test('none of them reads the whole table', async () => {
  const schema = `ztask_test_${randomUUID()}`
  const store = new PostgresStore({ url: inject('postgres'), schema })
  await migrate(store)
  await store.close()
  const client = new pg.Client({ connectionString: inject('postgres') })
  await client.connect()
  onTestFinished(() => client.end())
  for (const setting of SETTINGS) await client.query(`set ${setting}`)
  const statements = new PostgresStatements(pg.escapeIdentifier(schema))
  const job = jobOf(7, { id: 'job 7', claim: 5 })
  const hot: readonly Prepared[] = [
    statements.claim(5, 0, 10, 1000),
    statements.acquire(5, job),
    statements.release([job]),
    statements.nearest(0, 10, 1000),
    statements.priorities(),
    statements.nextFree(),
    statements.find('job 7'),
    statements.insert([newJobOf('new')], [5]),
    statements.insert([newJobOf('newer', { options: { retryCount: 1 } })], [null]),
    statements.change([], [], [job]) as Prepared,
    statements.change([], [], [{ ...job, claim: null }]) as Prepared,
    statements.change([{ ...job, seq: 8 }], [{ ...job, seq: 9 }], [job]) as Prepared,
  ]
  const run = async ({ name, text, values }: Prepared): Promise<unknown> =>
    client.query({ name, text, values: [...values] })
  for (const statement of hot) await run(statement)
  await client.query(
    `insert into ${pg.escapeIdentifier(schema)}.jobs (id, task, args, state, due, created, attempts, claim)
      select 'job ' || n, 't', '[]', case when n % 10 = 0 then 'failed' else 'queued' end, n, n, 0, case when n % 3 = 0 then 5 end
      from generate_series(1, 100000) as n`,
  )
  for (const { name, values } of hot) {
    const places = values.map((value) => (Array.isArray(value) ? listOf(value) : literalOf(value))).join(', ')
    const { rows } = await client.query(
      `explain execute ${pg.escapeIdentifier(name)}${places === '' ? '' : `(${places})`}`,
    )
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan, name).toMatch(/Index|Insert/)
    expect(plan, name).not.toMatch(/Seq Scan|Hash Join|Merge Join/)
  }
})

const literalOf = (value: unknown): string =>
  value === null ? 'null' : typeof value === 'number' ? String(value) : pg.escapeLiteral(String(value))

const listOf = (values: readonly unknown[]): string =>
  pg.escapeLiteral(`{${values.map((value) => (value === null ? 'null' : JSON.stringify(value))).join(',')}}`)
