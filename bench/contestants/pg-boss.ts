/** pg-boss: https://pgboss.io names these settings. */
import type { Contestant, Session } from '../contestant.ts'
import { inBatches } from '../load.ts'
import { Forks, peer, versionOf } from './forks.ts'
import { startPostgres } from './postgres.ts'

interface Boss {
  on(event: 'error', listener: () => void): unknown
  start(): Promise<unknown>
  stop(options: object): Promise<void>
  createQueue(name: string, options: object): Promise<void>
  send(name: string, data: object, options?: { startAfter: Date }): Promise<unknown>
  insert(name: string, jobs: readonly { data: object }[]): Promise<unknown>
}

const BATCH_SIZE = 2000
const POLL = 0.5
/** Its default, where nothing runs. */
const IDLE_POLL = 2
/** Where jobs come one at a time, or become due a few at a time. */
const QUICK_BATCH = 100
/** Jobs of one call of the bulk form: of 1,000, 2,500 and 10,000, medians of three in turn beside other work, 18, 42 and 36 thousand/s. */
const BATCH = 2500
const POOL = 25

export const pgBoss: Contestant = {
  name: 'pg-boss',
  isDurable: true,
  settings: `batchSize ${BATCH_SIZE}, poll ${POLL} s, burstWhenBatchFull, pool ${POOL} (S5, S6: LISTEN/NOTIFY, batchSize ${QUICK_BATCH}; S8: poll ${IDLE_POLL} s, the default); bulk form: insert of ${BATCH.toLocaleString('en')}, two at a time; ANALYZE given`,
  warmUp: 3000,
  prepare: async (folder) => {
    const server = await startPostgres(folder)
    const { PgBoss } = peer('pg-boss') as { PgBoss: new (options: object) => Boss }
    return {
      versions: `${versionOf('pg-boss')}, ${server.version}`,
      end: () => server.end(),
      open: async ({ held, tuning, env }): Promise<Session> => {
        const connectionString = await server.fresh()
        const quick = tuning === 'latency'
        const instance = { connectionString, max: POOL, useListenNotify: quick }
        const boss = new PgBoss(instance)
        boss.on('error', () => {})
        await boss.start()
        for (const name of ['noop', 'stamp']) await boss.createQueue(name, { notify: quick })
        const pollingIntervalSeconds = tuning === 'idle' ? IDLE_POLL : POLL
        const work = quick
          ? { batchSize: QUICK_BATCH, pollingIntervalSeconds, notifyPollingIntervalSeconds: POLL }
          : { batchSize: BATCH_SIZE, pollingIntervalSeconds, burstWhenBatchFull: true }
        const forks = await Forks.start('pg-boss', { instance, work }, env)
        const session: Session = {
          call: (task, args) => boss.send(task, { args }),
          after: (seconds, task, args) =>
            boss.send(task, { args }, { startAfter: new Date(Date.now() + seconds * 1000) }),
          bulk: async (jobs) => {
            const all = jobs.map((args) => ({ data: { args } }))
            await inBatches(all, BATCH, (batch) => boss.insert('noop', batch))
          },
          settle: async () => void (await server.query('analyze')),
          release: () => forks.release(),
          isDone: async () =>
            (
              await server.query(
                "select 1 from pgboss.job where name in ('noop', 'stamp') and state < 'completed' limit 1",
              )
            ).length === 0,
          processes: () => ({ server: server.pids(), workers: forks.pids }),
          close: async () => {
            await forks.end()
            await boss.stop({ graceful: false })
          },
        }
        if (held) await forks.hold(session)
        return session
      },
    }
  },
}
