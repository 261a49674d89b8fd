/** Stores and runs jobs in this process, one after the other, by a clock of its own. */
import { storedJobs } from '../client/handle.ts'
import type { Link, OutgoingJob } from '../client/link.ts'
import { type AwaitedJob, resultOf, timedOut } from '../client/results.ts'
import { Catalogue } from '../daemon/catalogue.ts'
import { Commands } from '../daemon/commands.ts'
import { Outcomes } from '../daemon/outcomes.ts'
import { endingOf } from '../daemon/results.ts'
import { ClientClosedError, type ZtaskError } from '../model/errors.ts'
import { byTurn, type Job, type NewJob } from '../model/job.ts'
import { type Failure, type Outcome, tookTooLong } from '../model/outcome.ts'
import type { Progress } from '../model/progress.ts'
import type { Run, Worker } from '../model/run.ts'
import type { Job as Handle } from '../model/task.ts'
import type { Settings } from '../settings.ts'
import { migrate } from '../store/migrate.ts'
import { SqliteStore } from '../store/sqlite.ts'
import { decodeArgs } from '../wire/codec.ts'
import type { Verb } from '../wire/protocol.ts'
import { Current } from '../worker/current.ts'
import { specsOf } from '../worker/load.ts'
import { outcomeOf, performToOutcome } from '../worker/perform.ts'
import type { Registry } from '../worker/registry.ts'
import { bury, whileAlive } from './dead.ts'
import { Running } from './running.ts'

/** Taken before a test can put its own in their place. */
const { setImmediate, queueMicrotask } = globalThis

/** How long a run with a timeout works before it is taken to hang, real ms, where its timeout is no shorter. */
const PATIENCE = 2000
/** What a run gets to end after its signal, real ms. */
const GRACE = 500

const WORKER: Worker = { number: 1, pid: process.pid, generation: 1, loaded: 0, isolated: false }

/** Who waits for a result. */
interface Waiter {
  readonly job: AwaitedJob
  readonly until: number
  readonly timeout: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Who watches a job. */
interface Watcher {
  readonly say: (progress: Progress | undefined) => void
}

/** A job as tests see it. */
interface Seen {
  readonly args: readonly unknown[]
}

export class Engine {
  readonly #store: SqliteStore
  readonly #settings: Settings
  readonly #outcomes: Outcomes
  readonly #commands: Commands
  #catalogue: Catalogue
  #registry: Registry | undefined
  #now: number
  #count = 0
  /** All rows, by their number. */
  readonly #jobs = new Map<number, Job>()
  readonly #running = new Map<number, Running>()
  readonly #succeeded: Job[] = []
  readonly #waiters = new Map<string, Waiter[]>()
  readonly #watchers = new Map<string, Watcher[]>()
  readonly #failures = new Map<string, unknown[]>()
  #crashes = 0
  #working: Promise<void> | undefined
  /** What could not be written, and is told at the next step. */
  #fault: Error | undefined

  static async open(settings: Settings, now: number): Promise<Engine> {
    const store = SqliteStore.inMemory()
    await migrate(store)
    return new Engine(store, settings, now)
  }

  private constructor(store: SqliteStore, settings: Settings, now: number) {
    this.#store = store
    this.#settings = settings
    this.#now = now
    this.#catalogue = new Catalogue([], settings)
    const clock = { now: () => this.#now, monotonic: () => this.#now }
    this.#outcomes = new Outcomes({
      clock,
      policyOf: (job) => this.#catalogue.policyOf(job),
      keepResultOf: (job) => this.#catalogue.keepResultOf(job),
      settled: (job, next) => this.#write(job, next),
      back: () => {},
      succeeded: ({ job }) => this.#succeeded.push(job),
      postponed: () => {},
      failed: () => {},
      held: () => {},
      expired: () => {},
      cancelled: () => {},
    })
    this.#commands = new Commands({
      store,
      clock,
      queue: {
        running: () => [...this.#running.values()].map(({ run }) => run.job),
        busy: () => this.#running.size,
        isBusy: (seq) => this.#running.has(seq),
        acquire: async (job) => (this.#running.has(job.seq) ? undefined : job),
        recall: async () => false,
        cancel: async (job) => this.#cancel(job),
        cancelElsewhere: async () => false,
        settled: async () => {},
        hasEnded: () => true,
        progressOf: () => undefined,
        removed: (job) => this.#over({ ...job, mark: 'cancelled' }, undefined),
        lost: () => {},
        restored: () => {},
        changed: () => {},
      },
      facts: () => ({}),
      reload: async () => undefined,
    })
  }

  get now(): number {
    return this.#now
  }

  /** @param registry loads the code of a client's tasks */
  linkOf(registry: () => Promise<Registry>): Link {
    const known = async (): Promise<void> => {
      if (this.#registry !== undefined) return
      this.#registry = await registry()
      this.#catalogue = new Catalogue(specsOf(this.#registry), this.#settings)
    }
    const link: Link = {
      enqueue: (job) =>
        whileAlive(async () => {
          await known()
          return (await this.#insert([job], link))[0] as Handle
        }),
      enqueueAll: (jobs, _, options) =>
        whileAlive(async () => {
          await known()
          return this.#insert(
            jobs.map((job) => ({ ...job, options })),
            link,
          )
        }),
      run: (job, timeout) =>
        whileAlive(async () => {
          await known()
          await this.#insert([{ ...job, wait: timeout }], link)
          return this.#await(job, timeout)
        }),
      result: (job, timeout) => this.#await(job, timeout),
      ask: (verb: Verb, params) => whileAlive(() => this.#commands.run(verb, params)),
      watch: (id, signal) => this.#watch(id, signal),
    }
    return link
  }

  live(task: string): readonly Seen[] {
    return [...this.#jobs.values()]
      .filter((job) => job.task === task && job.state !== 'failed' && job.state !== 'done')
      .map(seen)
  }

  succeeded(task: string): readonly (readonly unknown[])[] {
    return this.#succeeded.filter((job) => job.task === task).map(({ args }) => decodeArgs(args))
  }

  failed(task: string): readonly (Seen & { readonly attempts: number; readonly failure: Failure })[] {
    return [...this.#jobs.values()].flatMap((job) =>
      job.task === task && job.state === 'failed' && job.failure !== null
        ? [{ ...seen(job), attempts: job.attempts, failure: job.failure }]
        : [],
    )
  }

  fail(task: string, error: unknown): void {
    this.#failures.set(task, [...(this.#failures.get(task) ?? []), error])
  }

  crash(): void {
    if (this.#running.size === 0) this.#crashes++
    else this.#cut({ name: 'WorkerDied', message: 'the worker died, as the test asked', stack: '' })
  }

  async restart(): Promise<void> {
    this.#cut({ name: 'DaemonDied', message: 'the daemon died, as the test asked', stack: '' })
    const freed = [...this.#jobs.values()].filter(
      (job) => job.state === 'held' && this.#catalogue.obstacle(job.task) === undefined,
    )
    for (const job of freed) this.#outcomes.free(job)
    this.#throwFault()
  }

  async drain(): Promise<void> {
    await this.#work()
    this.#throwFault()
  }

  async advance(seconds: number): Promise<void> {
    if (!(seconds >= 0 && seconds <= 1e10))
      throw new RangeError(`advance(${seconds}): it takes seconds, 0 or more.`)
    const target = this.#now + seconds * 1000
    for (;;) {
      await this.#work()
      const next = this.#nextEvent()
      if (next === undefined || next > target) break
      this.#now = Math.max(this.#now, next)
      await this.#atTime()
    }
    this.#now = target
    await this.#atTime()
    this.#throwFault()
  }

  async close(): Promise<void> {
    this.#jobs.clear()
    for (const running of this.#running.values()) {
      this.#kill(running)
      running.current.stop('cancelled')
    }
    const error = new ClientClosedError('The test kit was closed before the job had ended.')
    for (const waiter of [...this.#waiters.values()].flat()) waiter.reject(error)
    this.#waiters.clear()
    for (const watcher of [...this.#watchers.values()].flat()) watcher.say(undefined)
    this.#watchers.clear()
    await this.#working
    await this.#store.close()
  }

  /** A moment has come: what ends at it ends. */
  async #atTime(): Promise<void> {
    for (const waiter of [...this.#waiters.values()].flat())
      if (waiter.until <= this.#now) this.#giveUp(waiter)
    for (const running of this.#running.values())
      if (running.deadline !== undefined && running.deadline <= this.#now) this.#timeOut(running)
    const expired = [...this.#jobs.values()].filter(({ expires }) => expires !== null && expires <= this.#now)
    for (const job of expired) this.#write(job, undefined)
    await this.#work()
  }

  #nextEvent(): number | undefined {
    const times = [
      ...[...this.#jobs.values()].flatMap(({ seq, state, due, expires }) => {
        if (state === 'queued') return this.#running.has(seq) ? [] : [due]
        return expires === null ? [] : [expires]
      }),
      ...[...this.#running.values()].flatMap(({ deadline }) => deadline ?? []),
      ...[...this.#waiters.values()].flat().map(({ until }) => until),
    ]
    return times.length === 0 ? undefined : times.reduce((least, time) => Math.min(least, time))
  }

  /** Runs what is due at this moment. Who comes meanwhile waits for the same. */
  #work(): Promise<void> {
    this.#working ??= this.#loop().finally(() => {
      this.#working = undefined
    })
    return this.#working
  }

  async #loop(): Promise<void> {
    for (;;) {
      // Whoever waited for what has just ended goes on, and may call others, in whatever follows of it.
      await new Promise((resolve) => setImmediate(resolve))
      const busy = [...this.#running.values()].filter(({ isResting }) => !isResting)
      if (busy.length > 0) {
        await Promise.race(busy.map(({ rest }) => rest))
        continue
      }
      const job = this.#nextDue()
      if (job === undefined) return
      this.#perform(job)
    }
  }

  #nextDue(): Job | undefined {
    let first: Job | undefined
    for (const job of this.#jobs.values()) {
      if (job.state !== 'queued' || job.due > this.#now || this.#running.has(job.seq)) continue
      if (first === undefined || byTurn(job, first) < 0) first = job
    }
    return first
  }

  #perform(job: Job): void {
    const reason = this.#catalogue.obstacle(job.task)
    if (reason !== undefined) return this.#outcomes.hold(job, reason)
    const { expiresAt } = job.options ?? {}
    if (expiresAt !== undefined && this.#now > expiresAt) return this.#outcomes.expired(job)
    const running = this.#begin(job)
    void this.#outcomeOf(running).then((outcome) => this.#end(running, outcome))
  }

  #begin(job: Job): Running {
    const { id, task, attempts, created } = job
    const current = new Current(
      { id, task, attempt: attempts + 1, created },
      {
        waits: () => {
          const goOn = running.waits()
          return () => whileAlive(async () => goOn())
        },
        progress: (_, progress) => {
          if (!this.#isUnderWay(running)) return
          running.heard()
          this.#say(id, progress)
        },
        mostWanted: () => {
          const { awaited } = running.run.job
          const isWanted = awaited !== null || (this.#catalogue.keepResultOf(job) ?? 0) > 0
          return isWanted ? this.#settings.maxPayload : undefined
        },
      },
    )
    const run: Run = { number: ++this.#count, job, worker: WORKER, place: 0, started: this.#now }
    const running = new Running(run, current)
    this.#running.set(job.seq, running)
    return running
  }

  async #outcomeOf(running: Running): Promise<Outcome> {
    const { current, run } = running
    const { job } = run
    const [failure] = this.#failures.get(job.task) ?? []
    if (failure !== undefined) {
      this.#failures.set(job.task, this.#failures.get(job.task)?.slice(1) ?? [])
      return outcomeOf(failure, job.task)
    }
    if (this.#crashes > 0) {
      this.#crashes--
      queueMicrotask(() => this.crash())
      return new Promise(() => {})
    }
    const timeout = this.#catalogue.timeoutOf(job)
    const begun = (): void => {
      if (timeout !== undefined) running.limit(this.#now + timeout, Math.min(timeout, PATIENCE))
    }
    return performToOutcome(this.#registry as Registry, { job: current, args: job.args, begun })
  }

  #end(running: Running, outcome: Outcome): void {
    const { run, isLate } = running
    if (!this.#isUnderWay(running)) return
    this.#leave(running)
    const told: Outcome =
      isLate && outcome.kind === 'threw'
        ? { kind: 'threw', failure: this.#tooLong(run.job, outcome.failure) }
        : outcome
    this.#outcomes.report(run, told)
  }

  /** Else it was cut: nobody hears of it any more. */
  #isUnderWay(running: Running): boolean {
    return this.#running.get(running.run.job.seq) === running
  }

  #leave(running: Running): void {
    this.#running.delete(running.run.job.seq)
    running.over()
  }

  /** Its worker is killed, or dies. */
  #kill(running: Running): void {
    this.#leave(running)
    bury(running.current)
  }

  #timeOut(running: Running): void {
    running.isLate = true
    this.#stop(running, 'timeout')
  }

  /** Its signal aborts; where it does not end by that, its worker is killed. */
  #stop(running: Running, reason: 'timeout' | 'cancelled'): void {
    running.stop(GRACE, () => {
      this.#kill(running)
      const { run } = running
      // Of one that is cancelled nothing more is told.
      this.#outcomes.report(run, { kind: 'threw', failure: this.#tooLong(run.job) })
    })
    running.current.stop(reason)
  }

  #tooLong(job: Job, cause?: Failure): Failure {
    return tookTooLong(job.task, this.#catalogue.timeoutOf(job) ?? 0, cause)
  }

  /** All that runs goes with its process. */
  #cut(cause: Failure): void {
    const cut = [...this.#running.values()]
    for (const running of cut) {
      this.#kill(running)
      this.#outcomes.died(running.run, cut.length === 1, cause)
    }
  }

  #cancel({ seq }: Job): boolean {
    const running = this.#running.get(seq)
    if (running === undefined) return false
    const job: Job = { ...running.run.job, mark: 'cancelled' }
    running.run = { ...running.run, job }
    this.#stop(running, 'cancelled')
    return true
  }

  #insert(jobs: readonly OutgoingJob[], link: Link): Promise<Handle[]> {
    const fresh = jobs.map((job) => this.#admit(job))
    return this.#store.commit({ insert: fresh, save: [], remove: [] }).then(({ inserted }) => {
      for (const job of inserted) this.#jobs.set(job.seq, job)
      return jobs.map(({ id, task }) => storedJobs(link)(id, task))
    })
  }

  /** @throws UnknownTaskError */
  #admit({ id, task, args, after = 0, at, wait, options }: OutgoingJob): NewJob {
    const verdict = this.#catalogue.judge(task, this.#settings.unknownTask)
    if (verdict !== undefined && 'refuse' in verdict) throw verdict.refuse satisfies ZtaskError
    const due = Math.round(at ?? this.#now + after)
    const reason = verdict?.hold ?? null
    const placed = this.#catalogue.placed(task, options ?? null, due)
    const awaited = wait === undefined ? null : this.#now + wait
    const state = reason === null ? 'queued' : 'held'
    return { id, task, args, due, created: this.#now, state, reason, awaited, ...placed }
  }

  /** How a job goes on is written, and told. */
  #write(job: Job, next: Job | undefined): void {
    if (next === undefined) this.#jobs.delete(job.seq)
    else this.#jobs.set(job.seq, next)
    const batch = next === undefined ? { save: [], remove: [job] } : { save: [next], remove: [] }
    this.#store.commit({ insert: [], ...batch }).catch((error: Error) => {
      this.#fault ??= error
    })
    this.#over(job, next)
  }

  #over(job: Job, next: Job | undefined): void {
    if (next === undefined) this.#jobs.delete(job.seq)
    if (next?.state === 'queued' || next?.state === 'held') return
    const ending = endingOf(job, next)
    const waiters = this.#waiters.get(job.id) ?? []
    this.#waiters.delete(job.id)
    for (const { job: awaited, resolve, reject } of waiters) {
      try {
        resolve(resultOf(awaited, ending))
      } catch (error) {
        reject(error as Error)
      }
    }
    for (const watcher of this.#watchers.get(job.id) ?? []) watcher.say(undefined)
    this.#watchers.delete(job.id)
    // Arrived: nothing need be kept for whoever waited.
    if (next?.state === 'done' && next.kept === null) this.#write(next, undefined)
  }

  /** Runs what is due, so that whoever waits in a test needs not say so. */
  async #await(job: AwaitedJob, timeout: number): Promise<unknown> {
    const row = [...this.#jobs.values()].find(({ id }) => id === job.id)
    if (row === undefined || row.state === 'done' || row.state === 'failed')
      return resultOf(job, endingOf(row ?? GONE, row))
    const until = this.#now + timeout
    this.#want(row, until)
    const result = new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(job.id) ?? []
      this.#waiters.set(job.id, [...waiters, { job, until, timeout, resolve, reject }])
    })
    void this.#work()
    return result
  }

  #want(row: Job, until: number): void {
    const awaited = Math.max(row.awaited ?? 0, until)
    const running = this.#running.get(row.seq)
    if (running !== undefined) running.run = { ...running.run, job: { ...running.run.job, awaited } }
    this.#jobs.set(row.seq, { ...row, awaited })
  }

  #giveUp({ job, timeout, reject }: Waiter): void {
    const waiters = (this.#waiters.get(job.id) ?? []).filter((one) => one.reject !== reject)
    this.#waiters.set(job.id, waiters)
    if (waiters.length === 0) this.#waiters.delete(job.id)
    reject(timedOut(job, timeout))
  }

  #say(id: string, progress: Progress): void {
    for (const watcher of this.#watchers.get(id) ?? []) watcher.say(progress)
  }

  async *#watch(id: string, signal: AbortSignal): AsyncGenerator<Progress, void, undefined> {
    const isLive = [...this.#jobs.values()].some(
      (job) => job.id === id && job.state !== 'done' && job.state !== 'failed',
    )
    if (!isLive) return
    const said: (Progress | undefined)[] = []
    let wake = (): void => {}
    const say = (progress: Progress | undefined): void => {
      said.push(progress)
      wake()
    }
    const watcher = { say }
    signal.addEventListener('abort', () => say(undefined))
    this.#watchers.set(id, [...(this.#watchers.get(id) ?? []), watcher])
    void this.#work()
    try {
      for (;;) {
        while (said.length > 0) {
          const progress = said.shift()
          if (progress === undefined) return
          yield progress
        }
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    } finally {
      // Where the loop was left before the end.
      const others = (this.#watchers.get(id) ?? []).filter((one) => one !== watcher)
      if (others.length === 0) this.#watchers.delete(id)
      else this.#watchers.set(id, others)
    }
  }

  #throwFault(): void {
    const fault = this.#fault
    this.#fault = undefined
    if (fault !== undefined) throw fault
  }
}

/** Of a job that there is not. */
const GONE = { mark: null } as Job

const seen = ({ args }: Job): Seen => ({ args: decodeArgs(args) })
