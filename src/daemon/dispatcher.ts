/**
 * Hands jobs whose turn it is to workers that have room, and knows which run has which job. A suspect runs in an isolated
 * worker, alone, and no second one beside it: whatever dies then, one job was to blame.
 */
import type { Clock } from '../clock.ts'
import type { Job } from '../model/job.ts'
import type { Run, Worker } from '../model/run.ts'
import type { Handing } from '../wire/ipc.ts'

export interface DispatcherOptions {
  /** Jobs a worker runs at a time. */
  readonly concurrency: number
  readonly clock: Clock
  /** Takes from the scheduler. */
  readonly take: (limit: number) => readonly Job[]
  readonly takeSuspect: () => Job | undefined
  /** A suspect is about to run: writes that down, then calls `tried` with the job as it is now. */
  readonly trial: (job: Job, tried: (job: Job) => void) => void
  /** The worker for it has gone meanwhile. */
  readonly back: (job: Job) => void
  /** Tells why a job cannot run on the code there is; such a job is not handed out. */
  readonly obstacle: (job: Job) => string | undefined
  readonly held: (job: Job, reason: string) => void
  readonly started: (run: Run) => void
  /** Whether it has a timeout: the worker then tells when the task is called. */
  readonly timed: (job: Job) => boolean
  readonly hand: (worker: Worker, jobs: readonly Handing[]) => void
  /** The first run's number: the boot number in the upper bits, so that no two runs share one. */
  readonly firstRun: number
}

interface Slot {
  readonly worker: Worker
  readonly runs: Set<number>
  /** It gets no more jobs. */
  closed: boolean
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #slots = new Map<number, Slot>()
  readonly #runs = new Map<number, Run>()
  #next: number
  /** The suspect that is about to run, or runs. */
  #trial: number | undefined

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#next = options.firstRun
  }

  runningOn(worker: Worker): number {
    return this.#slots.get(worker.number)?.runs.size ?? 0
  }

  /** @returns what runs, the oldest first */
  runs(): IterableIterator<Run> {
    return this.#runs.values()
  }

  runsOn(worker: Worker): Run[] {
    return [...(this.#slots.get(worker.number)?.runs ?? [])].flatMap((number) => this.#runs.get(number) ?? [])
  }

  /** @returns the run of a job, where it runs */
  runOf(seq: number): Run | undefined {
    for (const run of this.#runs.values()) if (run.job.seq === seq) return run
    return undefined
  }

  /** @returns the run of that number, where this worker has it */
  runBy(number: number, worker: Worker): Run | undefined {
    const run = this.#runs.get(number)
    return run?.worker.number === worker.number ? run : undefined
  }

  /** What is known of a job that runs has changed. @returns its run as it is now */
  update(run: Run, job: Job): Run {
    const next = { ...run, job }
    if (this.#runs.has(run.number)) this.#runs.set(run.number, next)
    return next
  }

  /** Whether a suspect is about to run, or runs. */
  get onTrial(): boolean {
    return this.#trial !== undefined
  }

  /** This worker gets no more jobs. */
  close(worker: Worker): void {
    const slot = this.#slots.get(worker.number)
    if (slot !== undefined) slot.closed = true
  }

  /** A worker can take jobs; those of an older generation get no more, nor does this one where it is the older. */
  admit(worker: Worker): void {
    const others = [...this.#slots.values()]
    for (const slot of others) if (slot.worker.generation < worker.generation) slot.closed = true
    const closed = others.some((slot) => slot.worker.generation > worker.generation)
    this.#slots.set(worker.number, { worker, runs: new Set(), closed })
  }

  /** A worker is gone. @returns the runs that were cut */
  dismiss(worker: Worker): Run[] {
    const slot = this.#slots.get(worker.number)
    this.#slots.delete(worker.number)
    return [...(slot?.runs ?? [])].flatMap((number) => this.end(number, worker) ?? [])
  }

  /**
   * Ends a run. The fence of every outcome: a report of a run that is over, or was another worker's, ends nothing.
   *
   * @returns the run, or `undefined` where this worker has none of this number
   */
  end(number: number, worker: Worker): Run | undefined {
    const run = this.runBy(number, worker)
    if (run === undefined) return undefined
    this.#runs.delete(number)
    this.#slots.get(worker.number)?.runs.delete(number)
    if (run.job.seq === this.#trial) this.#trial = undefined
    return run
  }

  /** Hands out what is due, to the workers with the most room. */
  dispatch(): void {
    this.#dispatchSuspect()
    const open = [...this.#slots.values()].filter(({ closed, worker }) => !closed && !worker.isolated)
    let room = open.reduce((sum, slot) => sum + this.#roomOf(slot), 0)
    while (room > 0) {
      const jobs = this.#options.take(room)
      if (jobs.length === 0) return
      const fit = jobs.filter((job) => !this.#holdUnfit(job))
      this.#hand(fit, open)
      room -= fit.length
    }
  }

  #dispatchSuspect(): void {
    while (this.#trial === undefined && this.#ward() !== undefined) {
      const job = this.#options.takeSuspect()
      if (job === undefined) return
      if (this.#holdUnfit(job)) continue
      this.#trial = job.seq
      this.#options.trial(job, (tried) => this.#try(tried))
    }
  }

  #ward(): Slot | undefined {
    return [...this.#slots.values()].find(
      ({ closed, worker, runs }) => worker.isolated && !closed && runs.size === 0,
    )
  }

  #try(job: Job): void {
    const ward = this.#ward()
    if (ward !== undefined) return this.#options.hand(ward.worker, [this.#begin(job, ward)])
    this.#trial = undefined
    this.#options.back(job)
  }

  #roomOf(slot: Slot): number {
    return this.#options.concurrency - slot.runs.size
  }

  #holdUnfit(job: Job): boolean {
    const reason = this.#options.obstacle(job)
    if (reason !== undefined) this.#options.held(job, reason)
    return reason !== undefined
  }

  #hand(jobs: readonly Job[], open: readonly Slot[]): void {
    const handings = new Map<Slot, Handing[]>(open.map((slot) => [slot, []]))
    for (const job of jobs) {
      const slot = open.reduce((best, one) => (this.#roomOf(one) > this.#roomOf(best) ? one : best))
      handings.get(slot)?.push(this.#begin(job, slot))
    }
    for (const [slot, list] of handings) if (list.length > 0) this.#options.hand(slot.worker, list)
  }

  #begin(job: Job, { worker, runs }: Slot): Handing {
    const run: Run = { number: this.#next++, job, worker, started: this.#options.clock.monotonic() }
    runs.add(run.number)
    this.#runs.set(run.number, run)
    this.#options.started(run)
    return [run.number, job.id, job.task, job.args, job.attempts + 1, job.created, this.#options.timed(job)]
  }
}
