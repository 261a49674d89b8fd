/** Closes the ring: store → scheduler → dispatcher → worker → outcome → store, with the door at the side. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { Alarm, type Clock, systemClock, watchJumps } from '../clock.ts'
import type { Project } from '../config.ts'
import { DaemonError, DatabaseLockedError, GenerateError } from '../model/errors.ts'
import type { Job } from '../model/job.ts'
import type { Failure } from '../model/outcome.ts'
import { type DatabaseLock, takeLock } from '../store/lock.ts'
import { migrate } from '../store/migrate.ts'
import { databaseFile, openStore } from '../store/open.ts'
import type { SqliteStore } from '../store/sqlite.ts'
import type { WorkerBrief, WorkerMessage } from '../wire/ipc.ts'
import { Catalogue } from './catalogue.ts'
import { Commands } from './commands.ts'
import { Commits } from './commits.ts'
import { Dispatcher, type Run } from './dispatcher.ts'
import { runGenerate } from './generator.ts'
import { Ingress, type Verdict } from './ingress.ts'
import { Journal } from './journal.ts'
import { Outcomes } from './outcomes.ts'
import { type Exit, Pool, type Worker, WorkerBrokenError } from './pool.ts'
import { RecentIds } from './recent.ts'
import { watchProject } from './reload.ts'
import { Scheduler } from './scheduler.ts'

export interface DaemonOptions {
  readonly project: Project
  readonly log: Logger
  readonly workers: number
  /** Jobs a worker runs at a time. */
  readonly concurrency: number
  /** Generate at the start, and reload when files change. */
  readonly development: boolean
  /** Gives the failed jobs their attempts back at the start. */
  readonly replayFailed: boolean
  readonly version: string
}

/** How long the daemon waits for another's lock, ms: a command that looks into the database holds it for a moment. */
const LOCK_WAIT = 2000
/** Runs of one start: 2^32, so that boot and count fit a number that JSON carries exactly (2^53). */
const RUNS_A_BOOT = 2 ** 32

export class Daemon {
  readonly #options: DaemonOptions
  readonly #clock: Clock = systemClock
  readonly #journal: Journal
  readonly #lock: DatabaseLock
  readonly #store: SqliteStore
  readonly #scheduler: Scheduler
  readonly #dispatcher: Dispatcher
  readonly #commits: Commits
  readonly #outcomes: Outcomes<Run>
  readonly #pool: Pool
  readonly #ingress: Ingress
  readonly #alarm: Alarm
  readonly #recent: RecentIds
  readonly #stopJumps: () => void
  #catalogue: Catalogue
  #stopWatching: (() => Promise<void>) | undefined

  /**
   * Starts a daemon; resolves when it serves.
   *
   * @throws DatabaseLockedError, DatabaseTooNewError, GenerateError, DaemonError, each with the cure
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const { settings, root } = options.project
    const file = databaseFile(settings.database, root)
    const lock = takeLock(file, LOCK_WAIT)
    if (lock === undefined) throw await alreadyHeld(file)
    try {
      const store = openStore(file)
      await migrate(store.kysely)
      const boot = await store.boot(process.pid, settings.bind, systemClock.now())
      const daemon = new Daemon(options, lock, store, boot)
      try {
        await daemon.#open()
      } catch (error) {
        await daemon.#abandon()
        throw error
      }
      return daemon
    } catch (error) {
      lock.release()
      throw error
    }
  }

  private constructor(options: DaemonOptions, lock: DatabaseLock, store: SqliteStore, boot: number) {
    this.#options = options
    this.#lock = lock
    this.#store = store
    const { settings } = options.project
    const clock = this.#clock
    const journal = new Journal(options.log)
    this.#journal = journal
    this.#catalogue = new Catalogue([], settings)
    // Clients resend within their timeout; twice ours covers those whose own is a little longer.
    this.#recent = new RecentIds(clock, 2 * settings.callTimeout * 1000)
    const scheduler = new Scheduler({
      store,
      clock,
      wake: () => this.#pump(),
      unreadable: (error) => journal.unreadable(error),
    })
    this.#scheduler = scheduler
    this.#alarm = new Alarm(clock, () => this.#pump())
    this.#stopJumps = watchJumps(clock, (by) => {
      journal.clockJumped(by)
      this.#alarm.stop()
      this.#pump()
    })
    this.#commits = new Commits({
      store,
      stored: (jobs) => scheduler.add(jobs),
      ended: (job, next) => this.#ended(job, next),
      health: (error) => journal.databaseHealth(error),
    })
    this.#outcomes = new Outcomes<Run>({
      clock,
      policyOf: (task) => this.#catalogue.policyOf(task),
      settled: (job, next) => this.#commits.settle(job, next),
      back: (job) => scheduler.add([job]),
      succeeded: (run) => journal.succeeded(run),
      failed: (run, failure, next, now) => journal.failed(run, failure, next, now),
      held: (job, reason) => journal.held(job, reason),
    })
    this.#dispatcher = new Dispatcher({
      concurrency: options.concurrency,
      firstRun: boot * RUNS_A_BOOT,
      take: (limit) => scheduler.take(limit),
      obstacle: ({ task }) => (this.#catalogue.has(task) ? undefined : noSuchTask(task)),
      held: (job, reason) => this.#outcomes.hold(job, reason),
      started: (run) => journal.calling(run),
    })
    this.#pool = new Pool({
      size: options.workers,
      brief: () => this.#brief(),
      env: { ZTASKD_URL: settings.url, ZTASKD_PROJECT: settings.project },
      root: options.project.root,
      ready: (worker) => this.#admit(worker),
      message: (worker, message) => this.#hear(worker, message),
      gone: (worker, exit, expected) => this.#dismiss(worker, exit, expected),
    })
    const commands = new Commands({
      store,
      clock,
      queue: {
        running: () => this.#dispatcher.jobs(),
        busy: () => scheduler.busy,
        isBusy: (seq) => scheduler.isBusy(seq),
        withdraw: (job) => scheduler.withdraw(job.seq),
        removed: (job) => scheduler.forget(job.seq),
        restored: (job) => scheduler.add([job]),
        changed: () => scheduler.refill(),
      },
      facts: () => this.#facts(),
      removed: (id) => this.#recent.add(id),
    })
    this.#ingress = new Ingress({
      clock,
      project: settings.project,
      maxPayload: settings.maxPayload,
      boot: randomUUID(),
      judge: (task) => this.#judge(task),
      isRecent: (id) => this.#recent.has(id),
      insert: (jobs, answer) => this.#commits.insert(jobs, answer),
      ask: (verb, params) => commands.run(verb, params),
      refused: (error) => journal.refused(error),
      unanswered: (error) => journal.unanswered(error),
    })
  }

  /**
   * Finishes what runs, hands nothing more out, accepts calls until the last, and ends.
   *
   * @param signal what asked for it
   * @param timeout ms that running jobs get; those that are cut go back uncharged
   */
  async drain(signal: string, timeout: number): Promise<void> {
    this.#journal.draining(signal, this.#dispatcher.running)
    this.#dispatcher.stop()
    await this.#quiet()
    await this.#pool.close(timeout)
    await this.#commits.drained()
    await this.#ingress.close()
    await this.#close()
    this.#journal.stopped()
  }

  /** Ends at once: running jobs are cut, and go back uncharged by staying in the database. */
  kill(): void {
    this.#pool.kill()
  }

  async #open(): Promise<void> {
    const { project, workers, concurrency, development, replayFailed } = this.#options
    const { settings } = project
    if (development) {
      await this.#generate()
      // Before the workers load the code: what is saved while they do must not go unseen.
      this.#stopWatching = await this.#watch()
    }
    await this.#renew()
    if (replayFailed) this.#journal.replayed(await this.#store.retryFailed(this.#clock.now()))
    await this.#ingress.open(settings.bind)
    const database = databaseFile(settings.database, project.root)
    this.#journal.started({
      url: settings.bind,
      database,
      workers,
      concurrency,
      pid: process.pid,
      project: settings.project,
    })
    // The replay: from here on the queue moves.
    this.#scheduler.refill()
  }

  /** A start that failed leaves no worker, no watcher and no lock. */
  async #abandon(): Promise<void> {
    await this.#quiet()
    this.#pool.kill()
    await this.#ingress.close()
    await this.#close()
  }

  async #quiet(): Promise<void> {
    await this.#stopWatching?.()
    this.#stopJumps()
    this.#alarm.stop()
  }

  async #close(): Promise<void> {
    await this.#store.close()
    this.#lock.release()
  }

  async #generate(): Promise<void> {
    this.#journal.generating()
    await runGenerate(this.#options.project.root)
  }

  #watch(): Promise<() => Promise<void>> {
    const { root, settings } = this.#options.project
    return watchProject({
      root,
      include: settings.include,
      output: settings.output,
      changed: (file) => this.#journal.changed(file),
      renew: async () => {
        await this.#generate()
        await this.#renew()
        this.#journal.reloaded(this.#pool.generation.number)
      },
      failed: (error) => this.#journal.notReloaded(error),
    })
  }

  /** Brings up a generation on the code as it is, and frees the jobs that waited for it. */
  async #renew(): Promise<void> {
    try {
      await this.#pool.renew()
    } catch (error) {
      throw error instanceof WorkerBrokenError ? cannotLoad(error) : error
    }
    const { number, tasks } = this.#pool.generation
    this.#catalogue = new Catalogue(tasks, this.#options.project.settings)
    this.#journal.registered(
      tasks.map(({ name }) => name),
      number,
    )
    const freed = await this.#store.free(this.#catalogue.names)
    if (freed === 0) return
    this.#journal.freed(freed)
    this.#scheduler.refill()
  }

  #brief(): WorkerBrief {
    const { root, settings } = this.#options.project
    const { project, loader, onLoad, onExit } = settings
    return { root, project, loader, onLoad, onExit, registry: registryFile(this.#options.project) }
  }

  /** Anything may call it: arrival, due time, a freed slot. It hands out what it can, and sleeps to the next due time. */
  #pump(): void {
    this.#dispatcher.dispatch()
    const next = this.#scheduler.nextDue()
    // What is due already waits for a slot, and a freed slot wakes.
    this.#alarm.set(next !== undefined && next > this.#clock.now() ? next : undefined)
  }

  #admit(worker: Worker): void {
    this.#journal.workerReady(worker)
    this.#dispatcher.admit(worker)
    this.#pump()
  }

  #hear(worker: Worker, message: WorkerMessage): void {
    if (message.kind !== 'ended') return
    for (const [number, outcome] of message.ended) {
      const run = this.#dispatcher.end(number, worker)
      if (run === undefined) this.#journal.late(number, worker)
      else this.#outcomes.report(run, outcome)
    }
    this.#pump()
  }

  #dismiss(worker: Worker, exit: Exit, expected: boolean): void {
    const runs = this.#dispatcher.dismiss(worker)
    this.#journal.workerGone(worker, exit, expected, runs.length)
    this.#outcomes.cut(runs, expected ? undefined : workerDied(worker, exit))
    this.#pump()
  }

  #ended(job: Job, next: Job | undefined): void {
    if (next?.state === 'queued') return this.#scheduler.add([next])
    this.#scheduler.forget(job.seq)
    if (next === undefined) this.#recent.add(job.id)
  }

  #judge(task: string): Verdict {
    if (this.#catalogue.has(task)) return undefined
    if (this.#options.project.settings.unknownTask === 'hold') return { hold: noSuchTask(task) }
    return { refuse: this.#catalogue.unknown(task) }
  }

  #facts(): Readonly<Record<string, unknown>> {
    const { project, version } = this.#options
    const workers = this.#pool.workers.map((worker) => ({
      pid: worker.pid,
      generation: worker.generation,
      running: this.#dispatcher.runningOn(worker),
    }))
    return {
      workers,
      generation: this.#pool.generation.number,
      version,
      pid: process.pid,
      url: project.settings.bind,
      project: project.settings.project,
      database: databaseFile(project.settings.database, project.root),
    }
  }
}

const noSuchTask = (task: string): string => `the code has no task '${task}'`

const workerDied = ({ number, pid, generation }: Worker, { code, signal }: Exit): Failure => ({
  name: 'WorkerDied',
  message: `worker ${number} (pid ${pid}, generation ${generation}) died: ${signal ?? `exit code ${code}`}`,
  stack: '',
})

const cannotLoad = (cause: WorkerBrokenError): DaemonError => {
  const where = cause.failure?.stack || cause.message
  return new DaemonError(`The workers cannot load the code: ${where}`, { failure: cause.failure }, { cause })
}

/** @returns the registry that workers load */
const registryFile = ({ root, settings }: Project): string => {
  if (settings.registry !== undefined) return join(root, settings.registry)
  const folder = join(root, settings.output)
  const found = ['registry.ts', 'registry.js'].map((name) => join(folder, name)).find((file) => existsSync(file))
  if (found !== undefined) return found
  throw new GenerateError(`There is no registry in ${folder}. Run ztask generate first.`, { folder })
}

const alreadyHeld = async (file: string): Promise<DatabaseLockedError> => {
  const store = openStore(file)
  const holder = await store.node().catch(() => undefined)
  await store.close()
  const who = holder === undefined ? 'another process' : `another daemon (pid ${holder.pid}, ${holder.url})`
  return new DatabaseLockedError(
    `${file} is held by ${who}. Stop it, or give this one another database (--database, ZTASKD_DATABASE).`,
    { file, pid: holder?.pid, url: holder?.url },
  )
}
