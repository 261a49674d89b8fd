/** BullMQ on Redis, once durable and once as it usually runs, and on its PostgreSQL backend: https://docs.bullmq.io. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Contestant, type Prepared, type Session, type Setup, Unavailable } from '../contestant.ts'
import { inBatches } from '../load.ts'
import { ended, freePort, listening } from '../machine.ts'
import { Forks, peer, versionOf } from './forks.ts'
import { startPostgres } from './postgres.ts'

interface Queue {
  waitUntilReady(): Promise<unknown>
  add(name: string, data: object, options: object): Promise<unknown>
  addBulk(jobs: readonly { name: string; data: object; opts: object }[]): Promise<unknown>
  getJobCounts(...states: string[]): Promise<Record<string, number>>
  on(event: 'error', listener: () => void): unknown
  close(): Promise<void>
}

type QueueClass = new (name: string, options: object) => Queue

interface Library {
  readonly Queue: QueueClass
  readonly createPostgresBackend: unknown
  readonly withBackend: (backend: unknown) => { readonly Queue: QueueClass }
}

const CONCURRENCY = 100
/** Jobs of one call of the bulk form, on Redis. */
const BATCH = 1000
/** On PostgreSQL: of 1,000, 2,500 and 10,000, medians of three in turn beside other work, 15, 41 and 28 thousand/s. */
const POSTGRES_BATCH = 2500
const OPTIONS = { removeOnComplete: true }
const settingsOf = (batch: number): string =>
  `concurrency ${CONCURRENCY}, removeOnComplete; bulk form: addBulk of ${batch.toLocaleString('en')}, two at a time`

const sessionOf = async (
  connection: object,
  { held, env }: Setup,
  server: () => readonly number[],
  postgres: boolean,
): Promise<Session> => {
  const library = peer('bullmq') as Library
  const { Queue } = postgres ? library.withBackend(library.createPostgresBackend) : library
  const queue = new Queue('bench', { connection })
  queue.on('error', () => {})
  await queue.waitUntilReady()
  const forks = await Forks.start('bullmq', { connection, concurrency: CONCURRENCY, postgres }, env)
  const session: Session = {
    call: (task, args) => queue.add(task, { args }, OPTIONS),
    after: (seconds, task, args) =>
      queue.add(task, { args }, { ...OPTIONS, delay: Math.round(seconds * 1000) }),
    bulk: async (jobs) => {
      const all = jobs.map((args) => ({ name: 'noop', data: { args }, opts: OPTIONS }))
      await inBatches(all, postgres ? POSTGRES_BATCH : BATCH, (batch) => queue.addBulk(batch))
    },
    settle: async () => {},
    release: () => forks.release(),
    isDone: async () => {
      const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized')
      return Object.values(counts).every((count) => count === 0)
    },
    processes: () => ({ server: server(), workers: forks.pids }),
    close: async () => {
      await forks.end()
      await queue.close()
    },
  }
  if (held) await forks.hold(session)
  return session
}

const onRedis = (fsync: 'always' | 'everysec'): Contestant => ({
  name: `BullMQ, Redis ${fsync}`,
  isDurable: fsync === 'always',
  settings: `${settingsOf(BATCH)}; appendonly yes, appendfsync ${fsync}`,
  warmUp: 20_000,
  prepare: async (folder): Promise<Prepared> => {
    if (spawnSync('redis-server', ['--version']).status !== 0)
      throw new Unavailable('this machine has no redis-server')
    const version = /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1]
    let count = 0
    return {
      versions: `${versionOf('bullmq')}, Redis ${version}`,
      end: async () => {},
      open: async (setup) => {
        const port = await freePort()
        const dir = join(folder, `${++count}`)
        mkdirSync(dir)
        const flags = ['--port', `${port}`, '--dir', dir, '--save', '', '--appendonly', 'yes']
        const redis = spawn('redis-server', [...flags, '--appendfsync', fsync], { stdio: 'ignore' })
        await listening(port, redis)
        const session = await sessionOf({ host: '127.0.0.1', port }, setup, () => [redis.pid ?? 0], false)
        return {
          ...session,
          close: async () => {
            await session.close()
            redis.kill('SIGKILL')
            await ended(redis)
          },
        }
      },
    }
  },
})

const onPostgres: Contestant = {
  name: 'BullMQ, PostgreSQL',
  isDurable: true,
  settings: `${settingsOf(POSTGRES_BATCH)}; ANALYZE given`,
  warmUp: 5000,
  prepare: async (folder) => {
    const server = await startPostgres(folder)
    return {
      versions: `${versionOf('bullmq')}, ${server.version}`,
      end: () => server.end(),
      open: async (setup) => {
        const url = await server.fresh()
        const connection = { connectionString: url, migrate: true }
        const session = await sessionOf(connection, setup, () => server.pids(), true)
        return { ...session, settle: async () => void (await server.query('analyze')) }
      },
    }
  },
}

export const bullmq: readonly Contestant[] = [onRedis('always'), onRedis('everysec'), onPostgres]
