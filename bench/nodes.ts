/**
 * Daemons that share a PostgreSQL server: one, two and three of them, each with one worker; beside a million jobs that wait; and
 * what a million jobs leave in the table.
 *
 * Run: npm run bench:nodes [-- --rounds 3]
 */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { close, makeClient } from '../dist/src/index.js'
import type { UntypedCalls } from '../src/client/client.ts'
import { type PostgresServer, startPostgres } from './contestants/postgres.ts'
import { makeProject, PROJECT, startDaemon, urlOf } from './contestants/ztask.ts'
import { inBatches, NOOP_ARGS } from './load.ts'
import { ended, freePort } from './machine.ts'
import { median } from './statistics.ts'

const JOBS = 50_000
const BATCH = 2500
const WAITING = 1_000_000
const LATE = 500
const KILOBYTE = 1024

const { values: flags } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } })
const rounds = Number(flags.rounds)

const folder = mkdtempSync(join(tmpdir(), 'ztask-nodes-'))
const server = await startPostgres(join(folder, 'server'))

/** Daemons on a database, and calls to the first of them. */
class Nodes {
  readonly calls: UntypedCalls
  readonly #daemons: readonly ChildProcess[]

  private constructor(daemons: readonly ChildProcess[], url: string) {
    this.#daemons = daemons
    this.calls = makeClient<{ noop: UntypedCalls }>({
      project: PROJECT,
      url,
      settings: { callTimeout: 60 },
      tasks: ['noop'],
      load: () => Promise.reject(new Error('no registry here')),
    }).noop
  }

  static async start(count: number, database: string): Promise<Nodes> {
    const daemons: ChildProcess[] = []
    const ports: number[] = []
    for (let node = 0; node < count; node++) {
      const root = join(mkdtempSync(join(folder, 'node-')), 'project')
      mkdirSync(root)
      makeProject(root)
      const port = await freePort()
      daemons.push(await startDaemon(root, port, { ZTASKD_DATABASE: database }, 1))
      ports.push(port)
    }
    return new Nodes(daemons, urlOf(ports[0] ?? 0))
  }

  async end(): Promise<void> {
    close()
    for (const daemon of this.#daemons) daemon.kill('SIGKILL')
    for (const daemon of this.#daemons) await ended(daemon)
  }
}

const count = async (server: PostgresServer, where: string): Promise<number> =>
  Number((await server.query(`select count(*) from ztask.jobs where ${where}`))[0]?.count)

/** @returns jobs a second, from the first call to the last end */
const flow = async ({ calls }: Nodes, jobs: number): Promise<number> => {
  const start = performance.now()
  const all = Array.from({ length: jobs }, () => NOOP_ARGS)
  await inBatches(all, BATCH, (batch) => calls.batch(batch))
  const due = `due <= ${Date.now() + 60_000}`
  while ((await server.query(`select from ztask.jobs where ${due} limit 1`)).length > 0) await sleep(20)
  return (jobs / (performance.now() - start)) * 1000
}

/** @returns how late delayed jobs were committed away, p99, ms, by the time of the server */
const lateness = async ({ calls }: Nodes): Promise<number> => {
  await server.query(`create table gone (late float8);
    create function gone() returns trigger language plpgsql as $$ begin
      insert into gone values (extract(epoch from clock_timestamp()) * 1000 - old.due); return null; end $$;
    create trigger gone after delete on ztask.jobs for each row execute function gone()`)
  await Promise.all(Array.from({ length: LATE }, (_, at) => calls.after(1 + (at * 4) / LATE, ...NOOP_ARGS)))
  while ((await count(server, 'true')) > 0) await sleep(50)
  const [row] = await server.query(
    'select percentile_cont(0.99) within group (order by late) as p99 from gone',
  )
  await server.query('drop table gone cascade; drop function gone() cascade')
  return Number(row?.p99)
}

const figures = new Map<string, number[]>()
const note = (what: string, figure: number): void => {
  figures.set(what, [...(figures.get(what) ?? []), figure])
  console.error(`${what}: ${figure.toFixed(1)}`)
}

try {
  for (let round = 0; round < rounds; round++)
    for (const nodes of [1, 2, 3]) {
      const daemons = await Nodes.start(nodes, await server.fresh())
      await flow(daemons, JOBS / 5)
      note(`${nodes} daemons: ${JOBS} jobs, called and run, /s`, await flow(daemons, JOBS))
      note(`${nodes} daemons: ${LATE} delayed jobs, late, p99, ms`, await lateness(daemons))
      await daemons.end()
    }
  const one = await Nodes.start(1, await server.fresh())
  await flow(one, JOBS / 5)
  await server.query(`insert into ztask.jobs (id, task, args, state, due, created, attempts)
    select gen_random_uuid()::text, 'noop', '[]', 'queued', 8640000000000000, 0, 0 from generate_series(1, ${WAITING})`)
  for (let round = 0; round < rounds; round++)
    note(`beside ${WAITING} that wait: ${JOBS} jobs, called and run, /s`, await flow(one, JOBS))
  await one.end()
  const last = await Nodes.start(1, await server.fresh())
  for (let done = 0; done < WAITING; done += 10 * JOBS) await flow(last, 10 * JOBS)
  const [row] =
    await server.query(`select pg_table_size('ztask.jobs') as rows, pg_indexes_size('ztask.jobs') as indexes,
    (select n_dead_tup from pg_stat_all_tables where relid = 'ztask.jobs'::regclass) as dead`)
  note(`after ${WAITING} jobs: the table, KiB`, Number(row?.rows) / KILOBYTE)
  note(`after ${WAITING} jobs: its indexes, KiB`, Number(row?.indexes) / KILOBYTE)
  note(`after ${WAITING} jobs: dead rows`, Number(row?.dead))
  await last.end()
  console.log(`| ${server.version}, medians of ${rounds} | |\n|---|---:|`)
  for (const [what, all] of figures)
    console.log(`| ${what} | ${Math.round(median(all)).toLocaleString('en')} |`)
} finally {
  await server.end()
  rmSync(folder, { recursive: true, force: true })
}
