/**
 * A worker process of a peer: loads the library, begins, and says that it works. What it is to run, and how, comes in the
 * environment as JSON.
 */
import { noop, stamp } from '../bodies.js'

const { library, settings } = JSON.parse(process.env.BENCH_WORKER)
const BODIES = { noop, stamp }

const LIBRARIES = {
  'graphile-worker': async () => {
    const { run } = await import('graphile-worker')
    const { Logger } = await import('graphile-worker')
    const taskList = {
      noop: ({ args }) => noop(...args),
      stamp: ({ args }) => stamp(...args),
    }
    const logger = new Logger(() => () => {})
    await run({ preset: { worker: { ...settings, logger } }, taskList, noHandleSignals: true })
  },
  'pg-boss': async () => {
    const { PgBoss } = await import('pg-boss')
    const boss = new PgBoss(settings.instance)
    boss.on('error', () => {})
    await boss.start()
    for (const name of Object.keys(BODIES))
      await boss.work(name, settings.work, async (jobs) => {
        for (const { data } of jobs) await BODIES[name](...data.args)
      })
  },
  bullmq: async () => {
    const { Worker, createPostgresBackend, withBackend } = await import('bullmq')
    const Kind = settings.postgres ? withBackend(createPostgresBackend).Worker : Worker
    const { connection, concurrency } = settings
    const worker = new Kind('bench', async ({ name, data }) => BODIES[name](...data.args), {
      connection,
      concurrency,
      autorun: false,
    })
    worker.on('error', () => {})
    await worker.waitUntilReady()
    void worker.run()
  },
}

await LIBRARIES[library]()
process.send('working')
