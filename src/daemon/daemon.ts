/** The daemon: the ring of stages with the door before it, the workers around it, and the database below. */
import { randomUUID } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { systemClock } from '../clock.ts'
import type { Project } from '../config.ts'
import type { Reading } from '../config-anew.ts'
import type { Logger } from '../log.ts'
import { ConfigError, DatabaseLockedError } from '../model/errors.ts'
import type { LogOptions } from '../model/log-options.ts'
import { masked } from '../model/masked.ts'
import type { Worker } from '../model/run.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import { type Database, databaseOf, type OpenStore } from '../store/database.ts'
import type { DatabaseLock } from '../store/lock.ts'
import { migrate } from '../store/migrate.ts'
import { isAbstract, isLocal } from '../wire/address.ts'
import type { WorkerBrief } from '../wire/ipc.ts'
import { readServerKeys, type ServerKeys } from '../wire/keys.ts'
import { type Reloading, Tickets } from './code/tickets.ts'
import { Code } from './code.ts'
import { Commands } from './commands.ts'
import { Ingress } from './ingress.ts'
import { Journal } from './journal.ts'
import { type InspectAddress, Pool } from './pool.ts'
import { Refusals } from './refusals.ts'
import { Ring } from './ring.ts'

export interface DaemonOptions {
  readonly project: Project
  /** The project by its file alone, without the environment and flags. */
  readonly committed: Project
  readonly log: Logger
  /** With none it only stores what is called. */
  readonly workers: number
  /** Whether it accepts calls, and questions; without, it only runs what is stored. */
  readonly listens: boolean
  /** Jobs a worker runs at a time. */
  readonly concurrency: number
  /** Generate at the start, and reload when files change. */
  readonly development: boolean
  /** Gives the failed jobs their attempts back at the start. */
  readonly replayFailed: boolean
  /** Runs the project's compiler after each change. */
  readonly typecheck: boolean
  /** Files of variables that were read at the start, absolute. */
  readonly envFiles: readonly string[]
  /** Reads those files and the configuration again. */
  readonly reread: () => Promise<Reading>
  /** What running jobs get when the daemon ends, ms. */
  readonly shutdownTimeout: number
  /** What running jobs get when their code is replaced, ms. */
  readonly drainTimeout: number
  /** How long new workers may take until they are ready, ms. */
  readonly readyTimeout: number
  /** What a run that should end gets after its signal, ms. */
  readonly killGrace: number
  /** How long a worker's event loop may stand still before that is reported, ms. */
  readonly hangTimeout: number
  /** After how long without a word a daemon that shares a database counts as dead, ms. */
  readonly lease: number
  /** Where the workers write what tasks log. */
  readonly workerLog: LogOptions
  /** Where the first worker waits for a debugger; the others follow on the next ports. */
  readonly inspect?: InspectAddress | undefined
  readonly version: string
}

/** How long the daemon waits for another's lock, ms: a command that looks into the database holds it for a moment. */
const LOCK_WAIT = 2000

/**
 * Starts a daemon; resolves when it serves.
 *
 * @throws ConfigError, DatabaseLockedError, DatabaseTooNewError, GenerateError, DaemonError, each with the cure
 */
export const startDaemon = async (options: DaemonOptions): Promise<Daemon> => {
  const { settings, root } = options.project
  const keys = settings.keys === undefined ? undefined : readServerKeys(resolve(root, settings.keys))
  if (options.listens && keys === undefined && !isLocal(settings.bind)) throw unguarded(settings.bind)
  const database = databaseOf(settings, root)
  const lock = await database.takeLock(LOCK_WAIT, 'daemon')
  if (lock === undefined) throw await alreadyHeld(database)
  let store: OpenStore | undefined
  try {
    store = await database.open()
    await migrate(store)
    const boot = await store.boot(process.pid, settings.bind, systemClock.now())
    const daemon = new Daemon(options, { database, lock, store, boot, keys })
    await daemon.open()
    return daemon
  } catch (error) {
    await store?.close()
    lock.release()
    // What the last daemon left is written before this one serves: the disk may be full just then.
    throw database.explained(error as Error)
  }
}

/** What a daemon has when it begins. */
interface Belongings {
  readonly database: Database
  readonly lock: DatabaseLock
  readonly store: OpenStore
  readonly boot: number
  readonly keys: ServerKeys | undefined
}

export class Daemon {
  readonly #options: DaemonOptions
  readonly #journal: Journal
  readonly #database: Database
  readonly #lock: DatabaseLock
  readonly #store: OpenStore
  readonly #ring: Ring
  readonly #pool: Pool
  readonly #ingress: Ingress
  readonly #refusals: Refusals
  readonly #code: Code
  readonly #reloads = new Tickets()

  constructor(options: DaemonOptions, { database, lock, store, boot, keys }: Belongings) {
    this.#options = options
    this.#database = database
    this.#lock = lock
    this.#store = store
    const { root, settings } = options.project
    this.#journal = new Journal(options.log, database.name)
    this.#refusals = new Refusals((report) => this.#journal.refused(report))
    const ring = new Ring({
      store,
      clock: systemClock,
      journal: this.#journal,
      concurrency: options.concurrency,
      // Clients resend within their timeout; twice ours covers those whose own is a little longer.
      remember: 2 * settings.callTimeout * 1000,
      boot,
      lease: options.lease,
      register: async () => void (await store.boot(process.pid, settings.bind, systemClock.now())),
      killGrace: options.killGrace,
      hangTimeout: options.hangTimeout,
      send: (worker, message) => this.#pool.send(worker, message),
      tell: (client, jobs) => this.#ingress.tell(client, jobs),
      tellProgress: (client, jobs) => this.#ingress.tellProgress(client, jobs),
      recall: (worker, places, told) => this.#pool.recall(worker, places, told),
      isolate: (wanted) => this.#pool.isolate(wanted),
      relieve: (worker) => this.#pool.relieve(worker),
      kill: (worker) => this.#pool.end(worker),
      retire: (worker) => this.#pool.retire(worker),
      hold: (leased) => this.#pool.hold(leased),
    })
    this.#ring = ring
    this.#code = new Code({
      ...options,
      journal: this.#journal,
      database: database.beside,
      prepare: () => this.#pool.prepare(),
      discard: () => this.#pool.discard(),
      renew: (loading, signal) => this.#pool.renew(loading, signal),
      standDown: (workers) => ring.standDown(workers),
      renewed: () => void ring.resume(),
    })
    this.#pool = new Pool({
      clock: systemClock,
      size: options.workers,
      brief: () => this.#brief(),
      env: {
        ZTASKD_URL: settings.url,
        ZTASKD_PROJECT: settings.project,
        ...(settings.keys !== undefined && { ZTASKD_KEYS: resolve(root, settings.keys) }),
      },
      root,
      reports: dirname(database.beside),
      readyTimeout: options.readyTimeout,
      drainTimeout: options.drainTimeout,
      killGrace: options.killGrace,
      development: options.development,
      inspect: options.inspect,
      renewed: (generation, tasks) => this.#learn(generation, tasks),
      ready: (worker) => ring.admit(worker),
      message: (worker, message) => {
        if (!this.#code.hear(worker, message)) ring.hear(worker, message)
      },
      begun: (worker, run) => ring.begun(worker, run),
      leaving: (worker) => ring.close(worker),
      overdue: (worker) => ring.overdue(worker),
      gone: (worker, exit, order, broken) => ring.dismiss(worker, exit, order, broken),
      unforked: (error) => this.#journal.unforked(error),
      fatal: (task) => this.#journal.fatal(task),
    })
    const commands = new Commands({
      store,
      clock: systemClock,
      queue: ring.queue,
      facts: () => this.#facts(),
      reload: (ticket) => this.#reload(ticket),
    })
    this.#ingress = new Ingress({
      clock: systemClock,
      project: settings.project,
      keys,
      maxPayload: settings.maxPayload,
      maxBatch: settings.maxBatch,
      boot: randomUUID(),
      judge: (task) => ring.catalogue.judge(task, this.#code.project.settings.unknownTask),
      placed: (task, options, due) => ring.catalogue.placed(task, options, due),
      isRecent: (id) => ring.isRecent(id),
      isStored: (id) => ring.isStored(id),
      insert: (jobs, answer, together, waits) => ring.insert(jobs, answer, together, waits),
      ask: (verb, params) => commands.run(verb, params),
      results: ring.results,
      progresses: ring.progresses,
      refused: (reason, error) => this.#refusals.add(reason, error),
      unanswered: (error) => this.#journal.unanswered(error),
      boundAgain: (error) => this.#journal.boundAgain(settings.bind, error),
    })
  }

  /**
   * Brings up the workers, binds, and lets the queue move.
   *
   * @throws GenerateError, DaemonError; no worker and no watcher is then left
   */
  async open(): Promise<void> {
    try {
      await this.#open()
    } catch (error) {
      await this.#quiet()
      this.#pool.kill()
      this.#ring.leave()
      await this.#ingress.close()
      throw error
    }
  }

  /**
   * Finishes what runs, cuts what does not end in time (it goes back uncharged), accepts calls until the last, and ends.
   *
   * @param signal what asked for it
   * @returns whether everything that ended is stored; what is not runs again at the next start
   */
  async drain(signal: string): Promise<boolean> {
    const { shutdownTimeout } = this.#options
    const deadline = performance.now() + shutdownTimeout
    this.#journal.draining(signal, this.#ring.queue.running().length)
    await this.#quiet()
    await this.#pool.close(shutdownTimeout)
    this.#code.clean()
    const unsettled = await this.#ring.drained(deadline - performance.now())
    for (const job of unsettled) this.#journal.unsettled(job)
    await this.#ingress.close()
    this.#refusals.stop()
    this.#ring.leave()
    await this.#store.close()
    this.#lock.release()
    this.#journal.stopped()
    return unsettled.length === 0
  }

  /** The log file was renamed: the workers open it anew. */
  reopenLogs(): void {
    this.#pool.broadcast({ kind: 'reopen' })
  }

  /** SIGHUP: the keys and the code are read again. */
  async hangUp(): Promise<void> {
    await this.readKeys()
    // It is in the log how it ended.
    await this.#code.reload().catch(() => {})
  }

  /** Which clients are let in may have changed. What cannot be read changes nothing. */
  async readKeys(): Promise<void> {
    const { root, settings } = this.#options.project
    if (settings.keys === undefined) return
    try {
      const keys = readServerKeys(resolve(root, settings.keys))
      await this.#ingress.admit(keys)
      this.#journal.keysRead([...keys.clients.values()])
    } catch (error) {
      this.#journal.keysNotRead(error as Error)
    }
  }

  /** Ends at once: running jobs are cut, and go back uncharged. */
  async kill(): Promise<void> {
    void this.#code.stop()
    this.#pool.kill()
    try {
      // What has ended and waits for its commit is not under way, and must not keep its mark.
      await this.#ring.drained()
      await this.#ring.release()
    } catch (error) {
      this.#journal.notReleased(error as Error)
    }
  }

  async #open(): Promise<void> {
    const { project, workers, listens, concurrency, replayFailed } = this.#options
    const { settings } = project
    await this.#code.open()
    await this.#ring.recover()
    await this.#ring.freeHeld()
    if (replayFailed) this.#journal.replayed(await this.#store.retryFailed(systemClock.now()))
    if (listens) await this.#ingress.open(settings.bind)
    this.#journal.started({
      url: listens ? masked(settings.bind) : null,
      database: this.#database.name,
      workers,
      concurrency,
      project: settings.project,
    })
    this.#ring.start()
    this.#code.checkLater()
  }

  async #quiet(): Promise<void> {
    this.#ring.stop()
    await this.#code.stop()
  }

  #learn(generation: number, tasks: readonly TaskSpec[]): void {
    this.#journal.registered(
      tasks.map(({ name }) => name),
      generation,
    )
    this.#ring.learn(generation, tasks, this.#code.project.settings)
    this.#code.learn(generation)
  }

  #brief(): WorkerBrief {
    const { concurrency, workerLog: log, project } = this.#options
    const { maxPayload } = project.settings
    return { root: project.root, concurrency, maxPayload, log, typescript: this.#code.isTypeScript }
  }

  /** Begins a reload, or tells how one goes on that was begun. */
  #reload(ticket: number | undefined): Promise<Reloading> {
    const begun = ticket ?? this.#reloads.begin(this.#code.reload().then(() => this.#pool.generation))
    return this.#reloads.look(begun)
  }

  #facts(): Readonly<Record<string, unknown>> {
    const { project, version } = this.#options
    const { fault } = this.#code
    return {
      workers: this.#pool.workers.map((worker) => this.#workerFacts(worker)),
      generation: this.#pool.generation,
      generations: this.#generations(),
      notReloaded: fault === undefined ? null : { at: iso(fault.at), message: fault.message },
      refused: this.#refusals.counts,
      version,
      pid: process.pid,
      url: masked(project.settings.bind),
      project: project.settings.project,
      database: this.#database.name,
    }
  }

  #workerFacts(worker: Worker): { pid: number; generation: number; running: number } {
    return { pid: worker.pid, generation: worker.generation, running: this.#ring.runningOn(worker) }
  }

  /** Those that have workers: the one that new jobs go to, those before it, and one that is being brought up. */
  #generations(): unknown[] {
    return [...Map.groupBy(this.#pool.workers, ({ generation }) => generation)]
      .sort(([one], [other]) => one - other)
      .map(([generation, workers]) => ({
        generation,
        loaded: iso(Math.min(...workers.map(({ loaded }) => loaded))),
        workers: workers.length,
        running: workers.reduce((sum, worker) => sum + this.#ring.runningOn(worker), 0),
      }))
  }
}

const iso = (ms: number): string => new Date(ms).toISOString()

const unguarded = (bind: string): ConfigError => {
  const [who, instead] = isAbstract(bind)
    ? ['by every user of this host, as it is no file that has rights', 'ipc:///a/folder/of/yours/ztask.sock']
    : ['from other hosts', 'tcp://127.0.0.1:PORT']
  return new ConfigError(
    `${masked(bind)} can be reached ${who}, and whoever reaches it can run tasks. Make keys (npx ztask keys) and set keys (ZTASKD_KEYS), or bind ${instead}.`,
    { setting: 'bind' },
  )
}

const alreadyHeld = async (database: Database): Promise<DatabaseLockedError> => {
  const store = await database.open()
  const holder = await store.node().catch(() => undefined)
  await store.close()
  // Where a command holds it, the row is of a daemon that is gone.
  const daemon = holder !== undefined && isAlive(holder.pid) ? holder : undefined
  const url = daemon && masked(daemon.url)
  const who = daemon === undefined ? 'another process' : `another daemon (pid ${daemon.pid}, ${url})`
  return new DatabaseLockedError(
    `${database.name} is held by ${who}. Stop it, or give this one another database (--database, ZTASKD_DATABASE).`,
    { file: database.name, pid: daemon?.pid, url },
  )
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
