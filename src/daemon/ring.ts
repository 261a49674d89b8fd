/**
 * Closes the ring that a job travels: store → scheduler → dispatcher → worker → outcome → store. No stage knows the
 * next: each is given it here, as a function.
 */
import { Alarm, type Clock, watchJumps } from '../clock.ts'
import type { StorageError } from '../model/errors.ts'
import type { Job, NewJob } from '../model/job.ts'
import type { Failure } from '../model/outcome.ts'
import type { RetryPolicy } from '../model/retry.ts'
import type { Exit, Worker } from '../model/run.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import type { Store } from '../store/store.ts'
import type { Handing, WorkerMessage } from '../wire/ipc.ts'
import { Catalogue } from './catalogue.ts'
import type { LiveQueue } from './commands.ts'
import { Commits } from './commits.ts'
import { Dispatcher } from './dispatcher.ts'
import type { Journal } from './journal.ts'
import { Outcomes } from './outcomes.ts'
import { RecentIds } from './recent.ts'
import { Scheduler } from './scheduler.ts'

export interface RingOptions {
  readonly store: Store
  readonly clock: Clock
  readonly journal: Journal
  /** Jobs a worker runs at a time. */
  readonly concurrency: number
  /** What decides about retries where a task says nothing. */
  readonly defaults: RetryPolicy
  /** How long the ids of ended jobs are remembered, ms. */
  readonly remember: number
  /** The number of this start. */
  readonly boot: number
  readonly hand: (worker: Worker, jobs: readonly Handing[]) => void
}

/** Runs of one start: 2^32, so that start and count fit a number that JSON carries exactly (2^53). */
const RUNS_A_BOOT = 2 ** 32

export class Ring {
  readonly #options: RingOptions
  readonly #scheduler: Scheduler
  readonly #dispatcher: Dispatcher
  readonly #commits: Commits
  readonly #outcomes: Outcomes
  readonly #alarm: Alarm
  readonly #recent: RecentIds
  readonly #stopJumps: () => void
  #catalogue: Catalogue
  #stopped = false

  constructor(options: RingOptions) {
    this.#options = options
    const { store, clock, journal } = options
    this.#catalogue = new Catalogue([], options.defaults)
    this.#recent = new RecentIds(clock, options.remember)
    this.#alarm = new Alarm(clock, () => this.#pump())
    this.#stopJumps = watchJumps(clock, (by) => this.#jumped(by))
    this.#scheduler = new Scheduler({
      store,
      clock,
      wake: () => this.#pump(),
      unreadable: (error) => journal.unreadable(error),
    })
    this.#commits = new Commits({
      store,
      stored: (jobs) => this.#stored(jobs),
      ended: (job, next) => this.#ended(job, next),
      health: (error) => journal.databaseHealth(error),
    })
    this.#outcomes = new Outcomes({
      clock,
      policyOf: (task) => this.#catalogue.policyOf(task),
      settled: (job, next) => this.#commits.settle(job, next),
      back: (job) => this.#scheduler.add([job]),
      succeeded: (run) => journal.succeeded(run),
      failed: (run, failure, next, now) => journal.failed(run, failure, next, now),
      held: (job, reason) => journal.held(job, reason),
    })
    this.#dispatcher = new Dispatcher({
      concurrency: options.concurrency,
      firstRun: options.boot * RUNS_A_BOOT,
      take: (limit) => this.#scheduler.take(limit),
      obstacle: ({ task }) => this.#catalogue.obstacle(task),
      held: (job, reason) => this.#outcomes.hold(job, reason),
      started: (run) => journal.calling(run),
      hand: options.hand,
    })
  }

  get catalogue(): Catalogue {
    return this.#catalogue
  }

  /** What commands see of it. */
  get queue(): LiveQueue {
    const scheduler = this.#scheduler
    return {
      running: () => this.#dispatcher.jobs(),
      busy: () => scheduler.busy,
      isBusy: (seq) => scheduler.isBusy(seq),
      withdraw: (job) => scheduler.withdraw(job.seq),
      removed: (job) => this.#ended(job, undefined),
      restored: (job) => scheduler.add([job]),
      changed: () => scheduler.refill(),
    }
  }

  runningOn(worker: Worker): number {
    return this.#dispatcher.runningOn(worker)
  }

  /** Stores new jobs, then answers. */
  insert(jobs: readonly NewJob[], answer: (error?: StorageError) => void): void {
    this.#commits.insert(jobs, answer)
  }

  /** Whether a job of this id is on disk, as far as the database can be read. */
  async isStored(id: string): Promise<boolean> {
    try {
      return (await this.#options.store.find(id)) !== undefined
    } catch {
      // Nobody can tell: the caller says what it knows, that this commit failed.
      return false
    }
  }

  /** Whether a job of this id ended a short while ago. */
  isRecent(id: string): boolean {
    return this.#recent.has(id)
  }

  /** From now on this is what the code can run. */
  learn(tasks: readonly TaskSpec[]): void {
    this.#catalogue = new Catalogue(tasks, this.#options.defaults)
  }

  /** Jobs that were held for want of a task that is there now are queued; `start` then sees them. */
  async freeHeld(): Promise<void> {
    const freed = await this.#options.store.free(this.#catalogue.names)
    if (freed > 0) this.#options.journal.freed(freed)
  }

  /** Reads the queue from the database: the replay at the start, and what was freed later. */
  start(): void {
    this.#scheduler.refill()
  }

  /** Hands nothing more out. What runs may still end. */
  stop(): void {
    this.#stopped = true
    this.#stopJumps()
    this.#alarm.stop()
  }

  /**
   * Resolves when what arrived and ended is stored, or could not be for `patience` ms.
   *
   * @returns the jobs whose endings could not be stored
   */
  drained(patience = 0): Promise<readonly Job[]> {
    return this.#commits.drained(patience)
  }

  /** A worker can take jobs. */
  admit(worker: Worker): void {
    this.#options.journal.workerReady(worker)
    this.#dispatcher.admit(worker)
    this.#pump()
  }

  hear(worker: Worker, message: WorkerMessage): void {
    if (message.kind !== 'ended') return
    for (const [number, outcome] of message.ended) {
      const run = this.#dispatcher.end(number, worker)
      if (run === undefined) this.#options.journal.late(number, worker)
      else this.#outcomes.report(run, outcome)
    }
    this.#pump()
  }

  /** A worker is gone. */
  dismiss(worker: Worker, exit: Exit, expected: boolean, broken?: Failure): void {
    const runs = this.#dispatcher.dismiss(worker)
    this.#options.journal.workerGone(worker, exit, expected, runs.length, broken)
    this.#outcomes.cut(runs, expected ? undefined : workerDied(worker, exit))
    this.#pump()
  }

  /** Anything may call it: arrival, due time, a freed slot. It hands out what it can, and sleeps to the next due time. */
  #pump(): void {
    if (this.#stopped) return
    // Read before the scheduler reads it: a job that becomes due in between rings at once, instead of never.
    const now = this.#options.clock.now()
    this.#dispatcher.dispatch()
    const next = this.#scheduler.nextDue()
    // What is due already waits for a slot, and a freed slot wakes.
    this.#alarm.set(next !== undefined && next > now ? next : undefined)
  }

  #jumped(by: number): void {
    this.#options.journal.clockJumped(by)
    // Set for a date: how far away that is has changed.
    this.#alarm.stop()
    this.#pump()
  }

  /**
   * New code may come while the hold of a job that waited for it is on its way to the database. The job is busy until
   * its release is stored, too.
   */
  #freeLate(job: Job): boolean {
    const late = job.state === 'held' && this.#catalogue.obstacle(job.task) === undefined
    if (!late) return false
    this.#scheduler.withdraw(job.seq)
    this.#outcomes.free(job)
    return true
  }

  #stored(jobs: readonly Job[]): void {
    this.#scheduler.add(jobs)
    for (const job of jobs) this.#freeLate(job)
  }

  #ended(job: Job, next: Job | undefined): void {
    if (next?.state === 'queued') return this.#scheduler.add([next])
    if (next !== undefined && this.#freeLate(next)) return
    this.#scheduler.forget(job.seq)
    if (next === undefined) this.#recent.add(job.id)
  }
}

const workerDied = ({ number, pid, generation }: Worker, { code, signal }: Exit): Failure => ({
  name: 'WorkerDied',
  message: `worker ${number} (pid ${pid}, generation ${generation}) died: ${signal ?? `exit code ${code}`}`,
  stack: '',
})
