/** graphile-worker: https://worker.graphile.org/docs/scaling and /docs/library/run name these settings. */
import type { Args, Contestant, Session, TaskName, Tuning } from '../contestant.ts'
import { inBatches } from '../load.ts'
import { Forks, peer, versionOf } from './forks.ts'
import { startPostgres } from './postgres.ts'

interface Utils {
  migrate(): Promise<void>
  addJob(task: string, payload: object, spec?: { runAt: Date }): Promise<unknown>
  addJobs(specs: readonly { identifier: string; payload: object }[]): Promise<unknown>
  release(): Promise<void>
}

const CONCURRENCY = 24
const POOL = 25
/** Jobs of one call of the bulk form: of 1,000, 2,500 and 10,000, medians of three in turn beside other work, 25, 43 and 44 thousand/s. */
const BATCH = 10_000

const common = { concurrentJobs: CONCURRENCY, maxPoolSize: POOL }
const many = {
  ...common,
  localQueue: { size: 500, refetchDelay: { durationMs: 50 } },
  completeJobBatchDelay: 50,
  failJobBatchDelay: 50,
}
const TUNINGS: Record<Tuning, object> = {
  throughput: { ...many, pollInterval: 500 },
  latency: { ...common, pollInterval: 500, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  // It polls every 2 s by default.
  idle: many,
}

export const graphileWorker: Contestant = {
  name: 'graphile-worker',
  isDurable: true,
  settings: `concurrentJobs ${CONCURRENCY}, pool ${POOL}, localQueue 500 with refetchDelay 50 ms, batch delays 50 ms, pollInterval 500 ms (S5, S6: no local queue, delays 0; S8: pollInterval 2 s, the default); bulk form: addJobs of ${BATCH.toLocaleString('en')}, two at a time; ANALYZE given`,
  warmUp: 5000,
  prepare: async (folder) => {
    const server = await startPostgres(folder)
    const { Logger, makeWorkerUtils } = peer('graphile-worker') as {
      Logger: new (make: () => () => void) => object
      makeWorkerUtils: (options: object) => Promise<Utils>
    }
    const logger = new Logger(() => () => {})
    return {
      versions: `${versionOf('graphile-worker')}, ${server.version}`,
      end: () => server.end(),
      open: async ({ held, tuning, env }): Promise<Session> => {
        const connectionString = await server.fresh()
        const pool = server.pool(POOL)
        const utils = await makeWorkerUtils({ pgPool: pool, logger })
        await utils.migrate()
        const settings = { ...TUNINGS[tuning], connectionString }
        const forks = await Forks.start('graphile-worker', settings, env)
        const session: Session = {
          call: (task: TaskName, args: Args) => utils.addJob(task, { args }),
          after: (seconds, task, args) =>
            utils.addJob(task, { args }, { runAt: new Date(Date.now() + seconds * 1000) }),
          bulk: async (jobs) => {
            const specs = jobs.map((args) => ({ identifier: 'noop', payload: { args } }))
            await inBatches(specs, BATCH, (batch) => utils.addJobs(batch))
          },
          settle: async () => void (await server.query('analyze')),
          release: () => forks.release(),
          isDone: async () =>
            (await server.query('select 1 from graphile_worker._private_jobs limit 1')).length === 0,
          processes: () => ({ server: server.pids(), workers: forks.pids }),
          close: async () => {
            await forks.end()
            await utils.release()
            await pool.end()
          },
        }
        if (held) await forks.hold(session)
        return session
      },
    }
  },
}
