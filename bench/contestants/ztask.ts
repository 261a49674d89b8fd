/** ztask itself: the executable of this checkout, tasks in plain JavaScript, the client in the measuring process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { close, makeClient } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import type { Args, Contestant, Prepared, Session, Setup, TaskName } from '../contestant.ts'
import { inBatches } from '../load.ts'
import { ended, freePort, listening } from '../machine.ts'
import { childrenOf, running } from '../processes.ts'
import { startPostgres } from './postgres.ts'

const CHECKOUT = resolve(import.meta.dirname, '../..')
const WORKERS = 2
const CONCURRENCY = 100
/** Jobs of one call of the bulk form. */
const BATCH = 2500
/** Two seconds after its start a daemon compares its registry with the sources, once, by a process of its own, ms. */
const CHECKED = 3500
export const PROJECT = 'bench'

const TASKS = `import { task } from 'ztask'
import * as bodies from './bodies.js'

export const noop = task(bodies.noop)
export const stamp = task(bodies.stamp)
export const gate = task(bodies.gate)
`
const REGISTRY = `import { defineRegistry } from 'ztask'

export default defineRegistry({
  project: '${PROJECT}',
  hash: 'bench',
  tasks: {
    noop: { load: () => import('./tasks.js'), export: 'noop' },
    stamp: { load: () => import('./tasks.js'), export: 'stamp' },
    gate: { load: () => import('./tasks.js'), export: 'gate' },
  },
})
`

export const makeProject = (root: string): void => {
  mkdirSync(join(root, 'src'), { recursive: true })
  mkdirSync(join(root, 'node_modules'))
  symlinkSync(CHECKOUT, join(root, 'node_modules/ztask'))
  copyFileSync(join(CHECKOUT, 'bench/bodies.js'), join(root, 'src/bodies.js'))
  writeFileSync(join(root, 'package.json'), `{ "name": "${PROJECT}", "type": "module" }`)
  writeFileSync(join(root, 'ztask.config.js'), "export default { registry: 'src/registry.js' }\n")
  writeFileSync(join(root, 'src/tasks.js'), TASKS)
  writeFileSync(join(root, 'src/registry.js'), REGISTRY)
}

/** Starts a daemon; resolves when it listens, its workers ready. */
export const startDaemon = async (
  root: string,
  port: number,
  env: NodeJS.ProcessEnv,
  workers = WORKERS,
): Promise<ChildProcess> => {
  const flags = ['--workers', `${workers}`, '--concurrency', `${CONCURRENCY}`, '--noreload', '-l', 'ERROR']
  const argv = [join(CHECKOUT, 'bin/ztask.js'), 'daemon', ...flags, '--url', urlOf(port)]
  const daemon = spawn(process.execPath, argv, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  await listening(port, daemon)
  return daemon
}

export const urlOf = (port: number): string => `tcp://127.0.0.1:${port}`

/** The database that a daemon has. */
interface Kept {
  /** @returns whether there is any job */
  hasJobs(): Promise<boolean>
  close(): Promise<void>
}

class ZtaskSession implements Session {
  readonly #daemon: ChildProcess
  readonly #calls: Record<TaskName | 'gate', UntypedCalls>
  readonly #gate: Setup['gate']
  readonly #kept: Kept

  constructor(daemon: ChildProcess, url: string, kept: Kept, gate: Setup['gate']) {
    this.#daemon = daemon
    this.#gate = gate
    this.#calls = makeClient<Record<TaskName | 'gate', UntypedCalls>>({
      project: PROJECT,
      url,
      // A call waits its turn, however many wait before it.
      settings: { callTimeout: 60 },
      tasks: ['noop', 'stamp', 'gate'],
      load: () => Promise.reject(new Error('no registry here')),
    })
    this.#kept = kept
  }

  call(task: TaskName, args: Args): Promise<unknown> {
    return this.#calls[task].async(...args)
  }

  after(seconds: number, task: TaskName, args: Args): Promise<unknown> {
    return this.#calls[task].after(seconds, ...args)
  }

  async bulk(jobs: readonly Args[]): Promise<void> {
    const { noop } = this.#calls
    await inBatches(jobs, BATCH, (batch) => noop.batch(batch))
  }

  settle(): Promise<void> {
    return Promise.resolve()
  }

  /** Fills every slot of both workers with a job that ends when the gate opens. */
  async hold(): Promise<void> {
    const slots = WORKERS * CONCURRENCY
    await Promise.all(Array.from({ length: slots }, () => this.#calls.gate.async()))
    await this.#gate.waits(slots)
  }

  release(): void {
    this.#gate.open()
  }

  isDone(): Promise<boolean> {
    return this.#kept.hasJobs().then((has) => !has)
  }

  processes(): { server: number[]; workers: number[] } {
    const master = this.#daemon.pid ?? 0
    return { server: [master], workers: running(childrenOf(master), 'worker/main') }
  }

  /** What is left in the database goes with it: so there is nothing to drain. */
  async close(): Promise<void> {
    close()
    await this.#kept.close()
    this.#daemon.kill('SIGKILL')
    this.#gate.open()
    await ended(this.#daemon)
  }
}

const versionOf = (path: string): string => JSON.parse(readFileSync(join(CHECKOUT, path), 'utf8')).version

const SETTINGS = `--workers ${WORKERS} --concurrency ${CONCURRENCY} --noreload -l ERROR (at INFO it logs two lines a job); bulk form: batches of ${BATCH.toLocaleString('en')}, two at a time`

const openOn = async (
  folder: string,
  { held, small, env, gate }: Setup,
  database: string | undefined,
  keep: () => Kept,
): Promise<Session> => {
  const port = await freePort()
  const own = database === undefined ? {} : { ZTASKD_DATABASE: database }
  const daemon = await startDaemon(folder, port, { ...env, ...own })
  const session = new ZtaskSession(daemon, urlOf(port), keep(), gate)
  if (held) await session.hold()
  if (!small) await sleep(CHECKED)
  return session
}

const inFile = (file: string): Kept => {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  const left = db.prepare('select 1 from jobs limit 1')
  return { hasJobs: async () => left.get() !== undefined, close: async () => db.close() }
}

export const ztask: Contestant = {
  name: 'ztask',
  isDurable: true,
  settings: `${SETTINGS}; SQLite, synchronous=FULL (the default)`,
  warmUp: 20_000,
  async prepare(folder): Promise<Prepared> {
    makeProject(folder)
    return {
      versions: `ztask ${versionOf('package.json')}, SQLite ${process.versions.sqlite}`,
      open: (setup) => {
        rmSync(join(folder, '.ztask'), { recursive: true, force: true })
        return openOn(folder, setup, undefined, () => inFile(join(folder, '.ztask/ztask.db')))
      },
      end: () => Promise.resolve(),
    }
  },
}

export const ztaskOnPostgres: Contestant = {
  name: 'ztask, PostgreSQL',
  isDurable: true,
  settings: `${SETTINGS}; PostgreSQL at its defaults`,
  warmUp: 20_000,
  async prepare(folder): Promise<Prepared> {
    makeProject(folder)
    const server = await startPostgres(`${folder}-server`)
    return {
      versions: `ztask ${versionOf('package.json')}, ${server.version}`,
      open: async (setup) =>
        openOn(folder, setup, await server.fresh(), () => ({
          hasJobs: async () => (await server.query('select 1 from ztask.jobs limit 1')).length > 0,
          close: async () => {},
        })),
      end: () => server.end(),
    }
  },
}
