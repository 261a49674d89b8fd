/**
 * Closes the ring that a job travels: store → scheduler → dispatcher → worker → outcome → store. No stage knows the
 * next: each is given it here, as a function.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Alarm, type Clock, watchJumps } from '../clock.ts'
import { StorageError } from '../model/errors.ts'
import { isSuspect, type Job, type NewJob, settle } from '../model/job.ts'
import { type Failure, type Outcome, SUCCEEDED, tookTooLong } from '../model/outcome.ts'
import {
  type Exit,
  exitText,
  isUncharged,
  type Order,
  type Run,
  type StopReason,
  type Worker,
} from '../model/run.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import type { SharedStore, Store } from '../store/store.ts'
import { BEGINNING, type Leased, type MasterMessage, RESULT, type WorkerMessage } from '../wire/ipc.ts'
import type { Watched } from '../wire/protocol.ts'
import { Awaited } from './awaited.ts'
import { Catalogue, type Defaults } from './catalogue.ts'
import type { LiveQueue } from './commands.ts'
import { Commits, type NotStored } from './commits.ts'
import { Dispatcher } from './dispatcher.ts'
import type { Journal } from './journal.ts'
import { Marks } from './marks.ts'
import { Outcomes } from './outcomes.ts'
import { Peers } from './peers.ts'
import { Progresses } from './progress.ts'
import { Pulse } from './pulse.ts'
import { Recalls } from './recalls.ts'
import { RecentIds } from './recent.ts'
import { type Client, Results, type Told } from './results.ts'
import { Retention } from './retention.ts'
import { Scheduler } from './scheduler.ts'
import { SharedScheduler } from './shared-scheduler.ts'
import { Stops } from './stops.ts'

export interface RingOptions {
  readonly store: Store | SharedStore
  readonly clock: Clock
  readonly journal: Journal
  /** Jobs a worker runs at a time. */
  readonly concurrency: number
  /** How long the ids of ended jobs are remembered, ms. */
  readonly remember: number
  /** The number of this start. */
  readonly boot: number
  /** After how long without a word a daemon that shares the database counts as dead, ms. */
  readonly lease: number
  /** Begins anew, where it was taken for dead. */
  readonly register: () => Promise<void>
  /** What a run gets after its signal, ms. */
  readonly killGrace: number
  /** How long a worker's event loop may stand still before that is reported, ms. */
  readonly hangTimeout: number
  readonly send: (worker: Worker, message: MasterMessage) => void
  /** Tells a client how jobs have ended. */
  readonly tell: (client: Client, jobs: readonly Told[]) => void
  /** Tells a client how far jobs are. */
  readonly tellProgress: (client: Client, jobs: readonly Watched[]) => void
  /** Asks a worker for the jobs in these places; `told` is called with the places of those that had not begun. */
  readonly recall: (
    worker: Worker,
    places: readonly number[],
    told: (places: readonly number[]) => void,
  ) => void
  /** Whether an isolated worker is wanted, for suspects. */
  readonly isolate: (wanted: boolean) => void
  /** Another worker takes the place of this one, which gets no more jobs. */
  readonly relieve: (worker: Worker) => void
  readonly kill: (worker: Worker) => void
  /** Until when workers may run what they have. */
  readonly hold: (leased: Leased) => void
  /** Ends a worker when its runs have ended. */
  readonly retire: (worker: Worker) => void
}

/** Before the first generation nothing is decided. */
const NO_CODE: Defaults = { retryCount: 0, retryAfter: 0 }
/** Runs of one start: 2^32, so that start and count fit a number that JSON carries exactly (2^53). */
const RUNS_A_BOOT = 2 ** 32
/** How long a failed release of held jobs waits before the next, ms. */
const FREE_AGAIN = 1000
/** How long suspects wait for a worker that computes for one that has ended, ms: another takes 100 to be there. */
const WARD_PATIENCE = 500
/** How long a cancel waits for a worker to give a job back, ms: its thread answers in 1, and later on a busy machine. */
const RECALL = 1000

export class Ring {
  readonly #options: RingOptions
  readonly #scheduler: Scheduler | SharedScheduler
  readonly #dispatcher: Dispatcher
  readonly #commits: Commits
  readonly #outcomes: Outcomes
  readonly #marks: Marks
  readonly #recalls: Recalls
  readonly #stops: Stops
  readonly #pulse: Pulse
  readonly #alarm: Alarm
  readonly #recent: RecentIds
  /** Of those that the daemon before this one could not tell: whoever waited asks again. */
  readonly #cancelled: RecentIds
  readonly #results: Results
  readonly #progresses: Progresses
  readonly #retention: Retention
  /** Of a database that daemons share. */
  readonly #peers: Peers | undefined
  readonly #awaited: Awaited
  /** Of jobs that are neither waiting nor running: until when somebody wants their results. */
  readonly #wishes = new Map<number, number>()
  readonly #stopJumps: () => void
  #catalogue: Catalogue
  #generation = 0
  #willPump = false
  /** Jobs that are held for want of their code, and the generation that lacked it. */
  readonly #missing = new Map<number, number>()
  #stopped = false

  constructor(options: RingOptions) {
    this.#options = options
    const { store, clock, journal } = options
    this.#catalogue = new Catalogue([], NO_CODE)
    this.#recent = new RecentIds(clock, options.remember)
    this.#cancelled = new RecentIds(clock, options.remember)
    this.#retention = new Retention({ store, clock, failed: (error) => journal.notCleaned(error) })
    this.#results = new Results({
      clock,
      tell: options.tell,
      find: (id) => store.find(id),
      wasCancelled: (id) => this.#cancelled.has(id),
      keep: (job, until) => this.#wantOf(job, until),
      forget: (job) => this.#commits.settle(job, undefined),
      unreadable: (error) => journal.unreadable(error),
    })
    this.#progresses = new Progresses({
      clock,
      tell: options.tellProgress,
      find: (id) => store.find(id),
      unreadable: (error) => journal.unreadable(error),
    })
    this.#alarm = new Alarm(clock, () => this.#pump())
    this.#stopJumps = watchJumps(clock, (by) => this.#jumped(by))
    const turns = {
      clock,
      wake: () => this.#pumpSoon(),
      unreadable: (error: Error) => journal.unreadable(error),
    }
    if ('claim' in store) {
      const { lease, register } = options
      const scheduler = new SharedScheduler({
        ...{ store, ...turns },
        remove: (job) => this.#commits.settle(job, undefined),
      })
      this.#scheduler = scheduler
      this.#peers = new Peers({
        ...{ store, scheduler, lease, register },
        lost: () => journal.leaseLost(),
        takenOver: (taken) => journal.takenOver(taken),
        unreadable: (error) => journal.unreadable(error),
        held: (leased) => {
          options.hold(leased)
          this.#pumpSoon()
        },
        stopRuns: () => {
          for (const run of this.#dispatcher.runs()) this.#stops.stop(run, 'fenced')
        },
        killRuns: () => {
          for (const worker of new Set([...this.#dispatcher.runs()].map((run) => run.worker)))
            this.#exchangeAtOnce(worker)
        },
        settle: (underWay) => this.#settle(underWay),
        runs: (id) => [...this.#dispatcher.runs()].find(({ job }) => job.id === id)?.job,
        wanted: (job, until) => this.#wantOf(job, until),
        cancel: ({ seq }) => this.#cancel(seq),
        remove: (job) => this.#commits.settle(job, undefined),
        ended: (id) => this.#results.look(id),
      })
    } else this.#scheduler = new Scheduler({ store, ...turns })
    this.#commits = new Commits({
      store,
      stored: (jobs) => this.#stored(jobs),
      ended: (job, next) => this.#ended(job, next),
      lost: (job) => {
        this.#scheduler.forget(job)
        this.#fulfil(job, { ...job, state: 'queued', claim: null })
      },
      unstorable: (job, next, error) => {
        journal.unstorable(job, error)
        return settle(job, { kind: 'unstorable', failure: unstorable(next, error) }, clock.now()) ?? job
      },
      stuck: (job, error) => journal.stuck(job, error),
      hasEnded: (id) => this.#recent.has(id),
      credit: () => (this.#scheduler.mayClaim && !this.#isPaused ? this.#dispatcher.room : 0),
      health: (error) => {
        journal.databaseHealth(error)
        if (error === undefined) this.#pump()
      },
    })
    this.#outcomes = new Outcomes({
      clock,
      policyOf: (job) => this.#catalogue.policyOf(job),
      keepResultOf: (job) => this.#catalogue.keepResultOf(job),
      postponed: (run, seconds) => journal.postponed(run, seconds),
      expired: (job) => journal.expired(job),
      settled: (job, next) => this.#commits.settle(job, next),
      back: (job) => this.#queue([job]),
      succeeded: (run) => journal.succeeded(run),
      failed: (run, failure, next, now) => journal.failed(run, failure, next, now),
      held: (job, reason) => journal.held(job, reason),
      cancelled: (run) => journal.cancelled(run),
    })
    this.#stops = new Stops({
      grace: options.killGrace,
      abort: (run, reason) => this.#abort(run, reason),
      relieve: (worker, neighbours) => this.#relieve(worker, neighbours),
      runsOn: (worker) => this.#dispatcher.runsOn(worker),
      ask: (worker, answered) => this.#pulse.ask(worker, answered),
      retire: (worker) => options.retire(worker),
      kill: (worker, because, reason) => {
        journal.killing(worker, because, reason)
        options.kill(worker)
      },
    })
    this.#pulse = new Pulse({
      clock,
      hangTimeout: options.hangTimeout,
      working: () => [...new Set([...this.#dispatcher.runs()].map(({ worker }) => worker))],
      ping: (worker) => options.send(worker, { kind: 'ping' }),
      hung: (worker, silent) => this.#hung(worker, silent),
      back: (worker, silent) => journal.backFromHang(worker, silent),
    })
    this.#marks = new Marks({
      clock,
      runs: () => this.#dispatcher.runs(),
      // A suspect's was marked before it began; where another is tried that it waits for, it is not to pay.
      mark: (run) => {
        if (!isSuspect(run.job)) this.#mark(run)
      },
    })
    this.#recalls = new Recalls({
      clock,
      doubtful: (before) => this.#dispatcher.doubtful(before),
      more: () => this.#dispatcher.inDoubt,
      recall: options.recall,
      back: (worker, runs) => this.#calledBack(worker, runs),
      answered: (worker, last) => this.#dispatcher.begun(worker, last.number),
    })
    this.#dispatcher = new Dispatcher({
      clock,
      concurrency: options.concurrency,
      firstRun: options.boot * RUNS_A_BOOT,
      take: (limit) => this.#scheduler.take(limit),
      takeSuspect: (choice) => this.#scheduler.takeSuspect(choice),
      isSuspect: (id) => this.#scheduler.isSuspect(id),
      trial: (job, tried) => this.#try(job, tried),
      back: (job) => this.#outcomes.back(job),
      asked: (job) =>
        (this.#catalogue.timeoutOf(job) === undefined ? 0 : BEGINNING) | (this.#isWanted(job) ? RESULT : 0),
      expired: (job) => this.#isExpired(job),
      obstacle: ({ task }) => this.#catalogue.obstacle(task),
      held: (job, reason) => this.#outcomes.hold(job, reason),
      started: (run) => {
        journal.calling(run)
        // After it has been handed over: its worker is to know it.
        if (this.#wishes.size > 0) queueMicrotask(() => this.#fulfil(run.job, run.job))
        this.#limit(run, options.hangTimeout)
        this.#marks.watch()
        this.#pulse.watch()
        this.#recalls.watch()
      },
      hand: (worker, first, jobs) => options.send(worker, { kind: 'jobs', first, jobs }),
    })
    this.#awaited = new Awaited({
      clock,
      find: (id) => store.find(id),
      ids: () => this.#dispatcher.awaited.ids(),
      has: (id) => this.#dispatcher.awaited.has(id),
      room: () => (this.#isPaused ? 0 : this.#dispatcher.roomForAwaited),
      acquire: (job) => this.#scheduler.acquire(job),
      back: (job) => this.#queue([job]),
      forget: (job) => this.#scheduler.forget(job),
      hand: (jobs) => (this.#isPaused ? jobs : this.#dispatcher.handAwaited(jobs)),
      unreadable: (error) => journal.unreadable(error),
    })
  }

  get catalogue(): Catalogue {
    return this.#catalogue
  }

  /** What commands see of it. */
  get queue(): LiveQueue {
    const scheduler = this.#scheduler
    return {
      running: () => [...this.#dispatcher.runs()].map(({ job }) => job),
      busy: () => scheduler.busy,
      isBusy: (seq) => scheduler.isBusy(seq),
      acquire: (job) => scheduler.acquire(job),
      recall: (job) => this.#recall(job.seq),
      cancel: (job) => this.#cancel(job.seq),
      cancelElsewhere: (job) => this.#cancelElsewhere(job),
      settled: (job) => this.#settled(job),
      hasEnded: (id) => this.#recent.has(id),
      progressOf: (id) => this.#progresses.of(id),
      removed: (job) => this.#ended({ ...job, mark: 'cancelled' }, undefined),
      lost: (job) => scheduler.forget(job),
      restored: (job) => {
        this.#queue([job])
        this.#fulfil(job, job)
      },
      changed: () => scheduler.refill(),
    }
  }

  /** Who waits for which jobs. */
  get results(): Pick<Results, 'wait' | 'withdraw' | 'ask' | 'seen'> {
    return this.#results
  }

  /** Who watches which jobs. */
  get progresses(): Pick<Progresses, 'watch'> {
    return this.#progresses
  }

  runningOn(worker: Worker): number {
    return this.#dispatcher.runningOn(worker)
  }

  /** Stores new jobs, all of them or none where they go together, then answers which are not stored. */
  insert(
    jobs: readonly NewJob[],
    answer: (notStored: readonly NotStored[]) => void,
    together: boolean,
    waits?: () => void,
  ): void {
    this.#commits.insert(jobs, answer, together, waits)
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

  /**
   * From now on this is what the code can run.
   *
   * @param defaults decide about retries where a task says nothing
   */
  learn(generation: number, tasks: readonly TaskSpec[], defaults: Defaults): void {
    this.#generation = generation
    this.#catalogue = new Catalogue(tasks, defaults)
  }

  /** Jobs that were held for want of a task that is there now are queued; `start` then sees them. */
  async freeHeld(): Promise<void> {
    const freed = await this.#options.store.free(this.#catalogue.names)
    if (freed > 0) this.#options.journal.freed(freed)
  }

  /** New code is there: what had waited for it runs. Where the database fails it is tried until that works again. */
  async resume(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.freeHeld()
        return this.start()
      } catch (error) {
        this.#options.journal.unreadable(error as Error)
        await pause(FREE_AGAIN)
      }
    }
  }

  /**
   * Settles what a daemon that died left under way. Of the jobs that its last commits marked, one that was alone pays, or
   * the one suspect that was being tried; several others are suspects now. What was cancelled goes.
   */
  async recover(): Promise<void> {
    await this.#settle(await (this.#peers?.recover() ?? this.#options.store.marked()))
  }

  async #settle(marked: readonly Job[]): Promise<void> {
    const { clock, journal, boot } = this.#options
    const underWay = marked.filter(({ mark }) => mark === 'started' || mark === 'trial')
    const tried = underWay.filter(({ mark }) => mark === 'trial')
    // What is cancelled was under way, too.
    const alone = underWay.length === 1 && !marked.some(({ mark }) => mark === 'cancelled')
    const [culprit] = alone ? underWay : tried.length === 1 ? tried : []
    const endings: [Job, Job | undefined][] = []
    for (const job of marked) {
      if (job.mark === 'suspect') continue
      if (job.mark === 'cancelled') this.#cancelled.add(job.id)
      const policy = this.#catalogue.policyOf(job)
      const next =
        job === culprit
          ? settle(job, { kind: 'died', failure: daemonDied(boot - 1), policy }, clock.now())
          : settle(job, { kind: 'suspected' }, clock.now())
      endings.push([job, next])
    }
    if (endings.length === 0) return
    // Not again before it is written that they ran.
    for (const job of await this.#commits.write(endings)) this.#scheduler.withdraw(job)
    journal.recovered(culprit, underWay.length, endings.filter(([, next]) => next === undefined).length)
  }

  /** Reads the queue from the database: the replay at the start, and what was freed later. */
  start(): void {
    this.#scheduler.refill()
    this.#retention.start()
    this.#peers?.serve(true)
  }

  /** Hands nothing more out. What runs may still end. */
  stop(): void {
    this.#stopped = true
    this.#stopJumps()
    this.#alarm.stop()
    this.#marks.stop()
    this.#pulse.stop()
    this.#recalls.stop()
    this.#results.stop()
    this.#progresses.stop()
    this.#retention.stop()
    this.#peers?.serve(false)
    this.#awaited.stop()
  }

  /** All has ended: nothing is in hand any more. */
  leave(): void {
    this.#peers?.leave()
  }

  /**
   * Resolves when what arrived and ended is stored, or could not be for `patience` ms.
   *
   * @returns the jobs whose endings could not be stored
   */
  drained(patience = 0): Promise<readonly Job[]> {
    return this.#commits.drained(patience)
  }

  /** Takes back the marks of what runs: it was cut on purpose, and the next start must not think that the daemon died. */
  async release(): Promise<void> {
    const now = this.#options.clock.now()
    const runs = [...this.#dispatcher.runs()]
    const endings = runs.map(({ job }) => [job, settle(job, { kind: 'released', begun: true }, now)] as const)
    await this.#commits.write(endings.filter(([job, next]) => next !== job))
  }

  /** A worker can take jobs. */
  admit(worker: Worker): void {
    this.#options.journal.workerReady(worker)
    this.#dispatcher.admit(worker)
    this.#pump()
  }

  hear(worker: Worker, message: WorkerMessage): void {
    if (message.kind === 'pong') {
      this.#pulse.heard(worker)
      return message.loading ? undefined : this.#turned(worker)
    }
    if (message.kind === 'loaded') return this.#turned(worker)
    if (message.kind === 'begun') {
      const run = this.#dispatcher.runBy(message.run, worker)
      return run === undefined ? undefined : this.#limit(run, 0)
    }
    if (message.kind === 'waits') {
      this.#dispatcher.waits(message.run, worker, message.awaits)
      this.#awaited.add(message.awaits)
      const run = this.#dispatcher.runBy(message.run, worker)
      if (run?.job.mark === 'suspect' && message.awaits.length === 0) this.#mark(run)
      return this.#pump()
    }
    if (message.kind === 'progress')
      return this.#progresses.say(
        message.runs.flatMap(([number, progress]) => {
          const run = this.#dispatcher.runBy(number, worker)
          return run === undefined ? [] : [[run.job, progress] as const]
        }),
      )
    if (message.kind !== 'ended') return
    this.begun(worker, message.begun)
    for (const one of message.ended) {
      const [number, outcome] = typeof one === 'number' ? [one, SUCCEEDED] : one
      const run = this.#dispatcher.end(number, worker)
      if (run === undefined) this.#options.journal.late(number, worker)
      else this.#report(run, outcome)
    }
    this.#dispatcher.reported(worker, message.ended.length, message.worked)
    this.#pump()
  }

  /** A worker has begun what it has up to this run. */
  begun(worker: Worker, run: number): void {
    this.#dispatcher.begun(worker, run)
  }

  /** A worker is on its way out: it gets no more jobs. */
  close(worker: Worker): void {
    this.#dispatcher.close(worker)
  }

  /** A worker that was told to go has had its time: the signals of its runs abort. */
  overdue(worker: Worker): void {
    const runs = this.#dispatcher.runsOn(worker)
    const reason = worker.generation < this.#generation ? 'replaced' : 'relieved'
    if (runs.length > 0) this.#options.journal.overdue(worker, runs, reason)
    for (const run of runs) this.#stops.stop(run, reason)
  }

  /**
   * Calls back what workers that get no more jobs have not begun: resolves when none of them begins another. One that does
   * not say so soon is dying.
   */
  async standDown(workers: readonly Worker[]): Promise<void> {
    await Promise.all(workers.map((worker) => this.#standDown(worker)))
  }

  async #standDown(worker: Worker): Promise<void> {
    // All of them: one that counts as begun, as it is the next, may not have.
    const runs = this.#dispatcher.runsOn(worker)
    if (runs.length === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, RECALL)
      this.#recalls.recall(worker, runs, (_, back) => {
        clearTimeout(timer)
        this.#calledBack(worker, back)
        resolve()
      })
    })
  }

  /**
   * A worker is gone.
   *
   * @param order what it had been told; one that was to finish first ends by itself when it runs nothing, and not before
   * @returns whether it had something to run
   */
  dismiss(worker: Worker, exit: Exit, order?: Order, broken?: Failure): boolean {
    const { begun, culprit, stock } = this.#dispatcher.dismiss(worker)
    const expected = order === 'die' || (order === 'retire' && begun.length === 0) || this.#isFenced
    this.#pulse.gone(worker)
    this.#options.journal.workerGone(worker, exit, expected, begun.length, broken)
    this.#stops.gone(worker)
    for (const run of begun) this.#cut(run, expected, run === culprit, workerDied(worker, exit))
    for (const run of stock) this.#unbegun(run)
    this.#pump()
    return begun.length > 0
  }

  #unbegun(run: Run): void {
    this.#stops.ended(run)
    this.#outcomes.release(run, false)
  }

  /** A worker did not begin these for a while: it gets no more before its event loop has turned, and loads no module. */
  #calledBack(worker: Worker, runs: readonly Run[]): void {
    const back = runs.flatMap(({ number }) => this.#dispatcher.end(number, worker) ?? [])
    if (back.length === 0) return
    this.#dispatcher.stuck(worker)
    // Suspects have no other worker, and are not to wait for what an earlier one left behind.
    if (worker.isolated) setTimeout(() => this.#exchange(worker), WARD_PATIENCE).unref()
    this.#pulse.ask(worker)
    for (const run of back) this.#unbegun(run)
    this.#pump()
  }

  /** Another takes the place of a worker that is still stuck; it ends when it can. */
  #exchange(worker: Worker): void {
    if (this.#stopped || !this.#dispatcher.isStuck(worker)) return
    this.#dispatcher.close(worker)
    this.#options.relieve(worker)
    this.#options.retire(worker)
  }

  #turned(worker: Worker): void {
    if (this.#dispatcher.turned(worker)) this.#pump()
  }

  /**
   * Calls a job back that was handed over and may not have begun.
   *
   * @returns whether it had not begun: nobody has it now, and it is still busy. A worker that does not say so soon counts
   *   as one that has begun it
   */
  async #recall(seq: number): Promise<boolean> {
    const run = this.#dispatcher.runOf(seq)
    if (run === undefined || !this.#dispatcher.isDoubtful(run)) return false
    let late = false
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        late = true
        resolve(false)
      }, RECALL)
      this.#recalls.recall(run.worker, [run], (worker, back) => {
        // Nobody waits for it any more: it goes the way of the others.
        if (late) return this.#calledBack(worker, back)
        clearTimeout(timer)
        const mine = back.flatMap(({ number }) => this.#dispatcher.end(number, worker) ?? [])
        for (const one of mine) this.#stops.ended(one)
        resolve(mine.length > 0)
        // There is room for another.
        this.#pump()
      })
    })
  }

  /**
   * A run with a timeout may take that from now on, and `more` ms: where its task is not being called yet, its module is
   * to be loaded, which may not take for ever either.
   */
  #limit(run: Run, more: number): void {
    const timeout = this.#catalogue.timeoutOf(run.job)
    if (timeout !== undefined) this.#stops.limit(run, timeout + more)
  }

  /** A worker whose event loop does not turn. Where nothing runs there that a timeout may end, it is lost. */
  #hung(worker: Worker, silent: number): void {
    const { journal } = this.#options
    const lost = !this.#dispatcher.hasBegun(worker)
    journal.hung(worker, silent, lost ? undefined : this.#dispatcher.runsOn(worker))
    if (lost) this.#exchangeAtOnce(worker)
  }

  /** Another takes the place of a worker, which is killed. */
  #exchangeAtOnce(worker: Worker): void {
    this.#dispatcher.close(worker)
    this.#options.relieve(worker)
    this.#options.kill(worker)
  }

  #report(run: Run, outcome: Outcome): void {
    this.#progresses.runEnded(run.job)
    const stop = this.#stops.ended(run)
    // It was told to end, and is not to pay for it.
    const isUnpaid = isUncharged(stop?.reason) || this.#isFenced
    if (outcome.kind === 'threw' && isUnpaid) return this.#outcomes.release(run, true)
    if (outcome.kind === 'threw' && stop?.reason === 'timeout')
      return this.#outcomes.report(run, { kind: 'threw', failure: this.#timedOut(run, outcome.failure) })
    if (outcome.kind === 'missing') {
      // A later generation may have what this one lacks.
      if (run.worker.generation < this.#generation) return this.#outcomes.release(run, true)
      this.#missing.set(run.job.seq, this.#generation)
    }
    this.#outcomes.report(run, outcome)
  }

  #cut(run: Run, expected: boolean, alone: boolean, cause: Failure): void {
    this.#progresses.runEnded(run.job)
    const stop = this.#stops.ended(run)
    if (stop?.condemned && stop.reason === 'timeout')
      this.#outcomes.report(run, { kind: 'threw', failure: this.#timedOut(run) })
    else if (expected || isUncharged(stop?.reason)) this.#outcomes.release(run, true)
    else this.#outcomes.died(run, alone, cause)
  }

  #timedOut({ job }: Run, cause?: Failure): Failure {
    return tookTooLong(job.task, this.#catalogue.timeoutOf(job) ?? 0, cause)
  }

  /** Whether somebody wants what it returns. */
  #isWanted(job: Job): boolean {
    const isAwaited = job.awaited !== null || (this.#wishes.size > 0 && this.#wishes.has(job.seq))
    return isAwaited || (this.#catalogue.keepResultOf(job) ?? 0) > 0
  }

  #isExpired(job: Job): boolean {
    const expiresAt = job.options?.expiresAt
    if (expiresAt === undefined || this.#options.clock.now() <= expiresAt) return false
    this.#outcomes.expired(job)
    return true
  }

  /** @returns whether the job runs; resolves when it is on disk that it shall not run again */
  async #cancel(seq: number): Promise<boolean> {
    const run = this.#dispatcher.runOf(seq)
    if (run === undefined) return false
    const { job } = this.#dispatcher.update(run, { ...run.job, mark: 'cancelled' })
    this.#stops.stop(run, 'cancelled')
    return new Promise((resolve, reject) => {
      const refused = (cause: Error): void => reject(cannotCancel(job, cause))
      // Where another daemon has it, that is to be told.
      this.#commits.mark(job, { stored: () => resolve(true), lost: () => resolve(false), refused })
    })
  }

  /** Writes down that somebody waits for a job: should this daemon die, its result is kept all the same. */
  async #await(job: Job, until: number): Promise<void> {
    const { store, send, journal } = this.#options
    const run = this.#scheduler.isBusy(job.seq) ? this.#dispatcher.runOf(job.seq) : undefined
    if (run !== undefined) {
      if ((run.job.awaited ?? 0) >= until) return
      const { job: awaited } = this.#dispatcher.update(run, { ...run.job, awaited: until })
      send(run.worker, { kind: 'wanted', run: run.number })
      const refused = (error: Error): void => journal.unmarked(awaited, error)
      return this.#commits.mark(awaited, { stored: () => {}, lost: () => this.#takenAway(awaited), refused })
    }
    // What becomes of it is on its way to the database: it may go on.
    const mine = await this.#scheduler.acquire(job)
    if (mine === undefined) {
      if ((await this.#peers?.want(job, until)) === true) return
      return void this.#wishes.set(job.seq, Math.max(this.#wishes.get(job.seq) ?? 0, until))
    }
    // Read once more, now that nobody else can change it.
    const still = await store.find(job.id).catch((error: unknown) => {
      this.#queue([mine])
      throw error
    })
    if (still?.state === 'queued' || still?.state === 'held')
      this.#commits.settle(still, { ...still, awaited: Math.max(still.awaited ?? 0, until) })
    else this.#ended(still ?? mine, still)
  }

  /** A job goes on, of which somebody wished to know the end while that was being written. */
  #fulfil(job: Job, next: Job | undefined): void {
    const until = this.#wishes.size === 0 ? undefined : this.#wishes.get(job.seq)
    if (until === undefined) return
    this.#wishes.delete(job.seq)
    if (next?.state === 'queued' || next?.state === 'held') this.#wantOf(next, until)
  }

  #wantOf(job: Job, until: number): void {
    if ((job.awaited ?? 0) >= until) return
    this.#await(job, until).catch((error: Error) => this.#options.journal.unreadable(error))
  }

  async #settled(job: Job): Promise<void> {
    const stuckBy = this.#commits.stuckBy(job.seq)
    if (stuckBy !== undefined) throw cannotCancel(job, stuckBy)
    await this.#commits.next()
  }

  #abort(run: Run, reason: StopReason): void {
    this.#options.journal.stopping(run, reason)
    this.#options.send(run.worker, { kind: 'abort', run: run.number, reason })
  }

  #relieve(worker: Worker, neighbours: number): void {
    this.#options.journal.relieved(worker, neighbours)
    this.#dispatcher.close(worker)
    this.#options.relieve(worker)
  }

  #mark(run: Run, kind: 'started' | 'released' = 'started'): void {
    const job = settle(run.job, { kind }, this.#options.clock.now())
    if (job === undefined || job === run.job) return
    this.#dispatcher.update(run, job)
    const refused = (error: Error): void => this.#options.journal.unmarked(job, error)
    this.#commits.mark(job, { stored: () => {}, lost: () => this.#takenAway(job), refused })
  }

  /** Another daemon has a job that runs here: what comes of this run counts for nothing. */
  #takenAway({ seq }: Job): void {
    const run = this.#dispatcher.runOf(seq)
    if (run !== undefined) this.#stops.stop(run, 'fenced')
  }

  /** A suspect's mark is on disk before it runs: should it take the daemon with it, the next start knows whom to charge. */
  #try(job: Job, tried: (job: Job | undefined) => void): void {
    const marked = settle(job, { kind: 'started' }, this.#options.clock.now()) ?? job
    // Those that wait for it do not pay.
    for (const run of this.#dispatcher.suspects()) this.#mark(run, 'released')
    const stored = (): void => {
      if (this.#stopped) return this.#outcomes.back(marked)
      tried(marked)
      this.#pump()
    }
    const refused = (error: Error): void => {
      tried(undefined)
      this.#commits.fail(job, error)
      this.#pump()
    }
    const lost = (): void => {
      this.#scheduler.forget(job)
      tried(undefined)
      this.#pump()
    }
    this.#commits.mark(marked, { stored, lost, refused })
  }

  /** What is in hand may be another daemon's. */
  get #isFenced(): boolean {
    return this.#peers?.isLapsed === true
  }

  /** Nothing is handed out. */
  get #isPaused(): boolean {
    return this.#stopped || this.#commits.isBehind || this.#isFenced
  }

  /** Jobs are queued, and stored as they are. */
  #queue(jobs: readonly Job[]): void {
    this.#awaited.queued(jobs)
    this.#scheduler.add(jobs)
  }

  /** Anything may call it: arrival, due time, a freed slot. It hands out what it can, and sleeps to the next due time. */
  #pump(): void {
    if (this.#isPaused) return
    // Read before the scheduler reads it: a job that becomes due in between rings at once, instead of never.
    const now = this.#options.clock.now()
    const { onTrial } = this.#dispatcher
    const tried = onTrial ? this.#dispatcher.tried : undefined
    // What it had waited for has ended: it pays again, should the daemon die.
    if (tried?.job.mark === 'suspect') this.#mark(tried)
    this.#options.isolate(onTrial || this.#scheduler.hasSuspect())
    this.#dispatcher.dispatch()
    this.#awaited.feed()
    this.#alarm.set(this.#scheduler.nextDue(now))
  }

  /** When all that one commit has changed is in the queue: whose turn it is may depend on another. */
  #pumpSoon(): void {
    if (this.#willPump) return
    this.#willPump = true
    queueMicrotask(() => {
      this.#willPump = false
      this.#pump()
    })
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
    if (job.state !== 'held') return false
    const lackedBy = this.#missing.get(job.seq)
    this.#missing.delete(job.seq)
    if (lackedBy === this.#generation || this.#catalogue.obstacle(job.task) !== undefined) return false
    this.#scheduler.withdraw(job)
    this.#outcomes.free(job)
    return true
  }

  #stored(jobs: readonly Job[]): void {
    this.#awaited.queued(jobs)
    this.#scheduler.arrive(jobs)
    for (const job of jobs) this.#freeLate(job)
  }

  async #cancelElsewhere(job: Job): Promise<boolean> {
    if ((await this.#peers?.cancel(job)) !== true) return false
    // Its row is gone when it is heard here that it has ended.
    this.#cancelled.add(job.id)
    return true
  }

  #ended(job: Job, next: Job | undefined): void {
    this.#went(job, next)
    this.#fulfil(job, next)
  }

  #went(job: Job, next: Job | undefined): void {
    const isOver = next?.state !== 'queued' && next?.state !== 'held'
    if (isOver && !this.#results.has(job.id)) this.#peers?.over(job)
    this.#results.ended(job, next)
    if (isOver) this.#progresses.ended(job)
    if (next?.expires != null) this.#retention.expires(next.expires)
    if (next?.state === 'queued') return this.#queue([next])
    if (next !== undefined && this.#freeLate(next)) return
    this.#missing.delete(job.seq)
    this.#scheduler.forget(job)
    // Its row may be gone before a client sends it again that has not heard the answer.
    if (next === undefined || next.expires !== null) this.#recent.add(job.id)
  }
}

const unstorable = (next: Job | undefined, { message }: Error): Failure => ({
  name: 'Unstorable',
  message:
    next === undefined
      ? `this job had ended, and the database does not let its row go: ${message}`
      : `the database does not take what became of this job: ${message}`,
  stack: '',
})

const cannotCancel = ({ id, task }: Job, cause: Error): StorageError =>
  new StorageError(
    `The database takes no change of ${task} (${id}): ${cause.message}. It cannot be written that it is cancelled: should it run, it is told to end, and at the next start it may run again.`,
    { reason: cause.message },
    { cause },
  )

const daemonDied = (boot: number): Failure => ({
  name: 'DaemonDied',
  message: `the daemon of start ${boot} died while this job ran, and no other`,
  stack: '',
})

const workerDied = ({ number, pid, generation }: Worker, exit: Exit): Failure => ({
  name: 'WorkerDied',
  message: `worker ${number} (pid ${pid}, generation ${generation}) died: ${exitText(exit)}`,
  stack: '',
})
