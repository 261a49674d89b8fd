/**
 * Whose turn it is. The queue is in the database; here is, of each priority that is in use, a window of its nearest jobs, so
 * that a million rows are rows and not objects. Busy are the jobs that are running or whose ending is not yet stored.
 */
import type { Clock } from '../clock.ts'
import type { Job, SuspectChoice } from '../model/job.ts'
import type { Store } from '../store/store.ts'
import { Lane } from './scheduler/lane.ts'

/**
 * Jobs in the window of those without a priority. Reading one takes 1 µs, in which the event loop stands still, and at
 * 100,000 jobs a second the window lasts for 20 ms.
 */
const WINDOW = 2048
/**
 * Their texts, likewise, in characters: a job may have 1 MiB of arguments, and more where `maxPayload` says so. 2,200 of
 * them, delayed, took the master to 2 GB.
 */
const WEIGHT = 16 * 2 ** 20
/** There may be twenty other windows: each is so much smaller, that all of them are as large as three of the first. */
const SHARE = 8
/** How long a failed read waits before the next, ms. */
const READ_AGAIN = 1000

export interface SchedulerOptions {
  readonly store: Pick<Store, 'nearest' | 'priorities'>
  readonly clock: Clock
  /** Jobs may be due now that were not in a window before. */
  readonly wake: () => void
  /** The database could not be read; it is tried again each second. */
  readonly unreadable: (error: Error) => void
  /** As `WINDOW` and `WEIGHT`, of each priority. */
  readonly window?: number
  readonly weight?: number
}

export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #byPriority = new Map<number, Lane>()
  /** The greatest priority first. */
  #lanes: readonly Lane[] = []
  readonly #busy = new Set<number>()
  #reading = false
  #stale = false

  constructor(options: SchedulerOptions) {
    this.#options = options
  }

  /** How many jobs are running, or have ended and their ending is not stored. */
  get busy(): number {
    return this.#busy.size
  }

  isBusy(seq: number): boolean {
    return this.#busy.has(seq)
  }

  /** Jobs that are stored: those that are queued and near enter a window, the others wait in the table. */
  add(jobs: readonly Job[]): void {
    for (const job of jobs) {
      this.#busy.delete(job.seq)
      this.#lane(job.priority).add(job)
    }
    for (const lane of this.#lanes) lane.trim()
    this.#options.wake()
  }

  /** New jobs are stored. */
  arrive(jobs: readonly Job[]): void {
    this.add(jobs)
  }

  /** New jobs are never anybody's from the first: all are this daemon's. */
  readonly mayClaim = false

  /** @returns at most `limit` jobs that are due, in the order of their turn; they are busy from now on */
  take(limit: number): Job[] {
    const now = this.#options.clock.now()
    const taken: Job[] = []
    // A smaller priority does not overtake what is just being read of a greater one.
    for (const lane of this.#lanes) if (lane.take(limit, now, taken) || taken.length >= limit) break
    for (const { seq } of taken) this.#busy.add(seq)
    return taken
  }

  /** @returns whether a suspect is due */
  hasSuspect(): boolean {
    const now = this.#options.clock.now()
    return this.#lanes.some((lane) => lane.hasSuspect(now))
  }

  /** Whether a job of that id is a suspect, due or not. */
  isSuspect(id: string): boolean {
    return this.#lanes.some((lane) => lane.isSuspect(id))
  }

  /** @returns the suspect whose turn it is of those that may run, where one is due; it is busy from now on */
  takeSuspect(choice: SuspectChoice = {}): Job | undefined {
    const now = this.#options.clock.now()
    for (const lane of this.#lanes) {
      const job = lane.takeSuspect(now, choice)
      if (job === undefined) continue
      this.#busy.add(job.seq)
      return job
    }
    return undefined
  }

  /** Makes a job busy that is not running, to be removed or changed. @returns false where it is busy already */
  withdraw({ seq, priority }: Pick<Job, 'seq' | 'priority'>): boolean {
    if (this.#busy.has(seq)) return false
    this.#byPriority.get(priority)?.withdraw(seq)
    this.#busy.add(seq)
    return true
  }

  /** As `withdraw`, of a job that was found in the table: all of them are this daemon's. @returns it, where it was not busy */
  async acquire(job: Job): Promise<Job | undefined> {
    return this.withdraw(job) ? job : undefined
  }

  /** A busy job's row is gone, or rests. */
  forget({ seq, priority }: Pick<Job, 'seq' | 'priority'>): void {
    this.#busy.delete(seq)
    this.#byPriority.get(priority)?.forget(seq)
  }

  /** @returns when the next job becomes due after `now`, epoch ms, or `undefined` where none does */
  nextDue(now: number): number | undefined {
    const dues = this.#lanes.flatMap((lane) => lane.nextDue(now) ?? [])
    return dues.length === 0 ? undefined : Math.min(...dues)
  }

  /** Reads the windows anew: at the start, and when rows were changed in bulk. */
  refill(): void {
    this.#stale = true
    if (!this.#reading) void this.#readWhileStale()
  }

  async #readWhileStale(): Promise<void> {
    this.#reading = true
    while (this.#stale) {
      this.#stale = false
      try {
        // One that has no rows has nothing to read.
        for (const priority of await this.#options.store.priorities()) this.#lane(priority).refill()
      } catch (error) {
        this.#options.unreadable(error as Error)
        await new Promise((resolve) => setTimeout(resolve, READ_AGAIN))
        this.#stale = true
      }
    }
    this.#reading = false
  }

  #lane(priority: number): Lane {
    const known = this.#byPriority.get(priority)
    if (known !== undefined) return known
    const { store, wake, unreadable } = this.#options
    const share = priority === 0 ? 1 : SHARE
    const { window: size = WINDOW / share, weight = WEIGHT / share } = this.#options
    const lane = new Lane({
      nearest: (limit, most, after) => store.nearest(priority, limit, most, after),
      ...{ busy: this.#busy, wake, unreadable, size, weight },
    })
    this.#byPriority.set(priority, lane)
    this.#lanes = [...this.#byPriority].sort(([a], [b]) => b - a).map(([, each]) => each)
    return lane
  }
}
