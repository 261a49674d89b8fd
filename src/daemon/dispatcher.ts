/** Hands jobs whose turn it is to workers that have room, and knows which run has which job. */
import type { Job } from '../model/job.ts'
import type { Run, Worker } from '../model/run.ts'
import type { Handing } from '../wire/ipc.ts'

export interface DispatcherOptions {
  /** Jobs a worker runs at a time. */
  readonly concurrency: number
  /** Takes from the scheduler. */
  readonly take: (limit: number) => readonly Job[]
  /** Tells why a job cannot run on the code there is; such a job is not handed out. */
  readonly obstacle: (job: Job) => string | undefined
  readonly held: (job: Job, reason: string) => void
  readonly started: (run: Run) => void
  readonly hand: (worker: Worker, jobs: readonly Handing[]) => void
  /** The first run's number: the boot number in the upper bits, so that no two runs share one. */
  readonly firstRun: number
}

interface Slot {
  readonly worker: Worker
  readonly runs: Set<number>
  retired: boolean
}

export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #slots = new Map<number, Slot>()
  readonly #runs = new Map<number, Run>()
  #next: number

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#next = options.firstRun
  }

  runningOn(worker: Worker): number {
    return this.#slots.get(worker.number)?.runs.size ?? 0
  }

  /** @returns the jobs that run */
  jobs(): Job[] {
    return [...this.#runs.values()].map(({ job }) => job)
  }

  /** A worker can take jobs; those of an older generation get no more, nor does this one where it is the older. */
  admit(worker: Worker): void {
    const others = [...this.#slots.values()]
    for (const slot of others) if (slot.worker.generation < worker.generation) slot.retired = true
    const retired = others.some((slot) => slot.worker.generation > worker.generation)
    this.#slots.set(worker.number, { worker, runs: new Set(), retired })
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
    const run = this.#runs.get(number)
    if (run === undefined || run.worker.number !== worker.number) return undefined
    this.#runs.delete(number)
    this.#slots.get(worker.number)?.runs.delete(number)
    return run
  }

  /** Hands out what is due, to the workers with the most room. */
  dispatch(): void {
    const open = [...this.#slots.values()].filter((slot) => !slot.retired)
    let room = open.reduce((sum, slot) => sum + this.#roomOf(slot), 0)
    while (room > 0) {
      const jobs = this.#options.take(room)
      if (jobs.length === 0) return
      const fit = jobs.filter((job) => !this.#holdUnfit(job))
      this.#hand(fit, open)
      room -= fit.length
    }
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
      const run: Run = { number: this.#next++, job, worker: slot.worker }
      slot.runs.add(run.number)
      this.#runs.set(run.number, run)
      handings.get(slot)?.push([run.number, job.id, job.task, job.args])
      this.#options.started(run)
    }
    for (const [slot, list] of handings) if (list.length > 0) this.#options.hand(slot.worker, list)
  }
}
