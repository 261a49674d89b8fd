/**
 * Whose turn it is. The queue is in the database; here is a window of its nearest jobs, so that a million rows are rows
 * and not objects. Busy are the jobs that are running or whose ending is not yet stored: the table still shows them as
 * queued, and a refill passes them over. Suspects, which run alone, stand in a queue of their own: they hold up nobody.
 */
import TinyQueue from 'tinyqueue'
import type { Clock } from '../clock.ts'
import { byTurn, isSuspect, type Job, weightOf } from '../model/job.ts'
import type { Store, Stretch } from '../store/store.ts'

/**
 * Jobs in the window at most after it was read. Reading one takes 1 µs, in which the event loop stands still, and at
 * 100,000 jobs a second the window lasts for 20 ms.
 */
const WINDOW = 2048
/**
 * Their texts, likewise, in characters: a job may have 1 MiB of arguments, and more where `maxPayload` says so. 2,200 of
 * them, delayed, took the master to 2 GB.
 */
const WEIGHT = 16 * 2 ** 20
/** Below this, and half the weight, more are read, as many as it falls short by, so that the workers do not run dry. */
const LOW = WINDOW / 2
/** How long a failed read waits before the next, ms. */
const READ_AGAIN = 1000

export interface SchedulerOptions {
  readonly store: Pick<Store, 'nearest'>
  readonly clock: Clock
  /** Jobs may be due now that were not in the window before. */
  readonly wake: () => void
  /** The database could not be read; it is tried again each second. */
  readonly unreadable: (error: Error) => void
  readonly window?: number
  readonly weight?: number
}

export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #size: number
  readonly #low: number
  readonly #most: number
  #window = new TinyQueue<Job>([], byTurn)
  #suspects = new TinyQueue<Job>([], byTurn)
  /** By sequence number, for every job in the window that has not been withdrawn. */
  readonly #waiting = new Map<number, Job>()
  /** Of those of them that are no suspects: who has run alone with a worker was one of few. */
  #weight = 0
  /** Of the jobs that have left the window and not its heap. */
  #buried = 0
  readonly #busy = new Set<number>()
  /** The window's end where the table holds later jobs: those up to it are in the window; undefined where all are. */
  #horizon: Job | undefined
  #refilling: Promise<void> | undefined
  /** How far the window was cut since the read began: what lies beyond is in the table, whatever the read says. */
  #trimmed: Job | undefined
  /** What is to be read next: the rows beyond the horizon, or all anew. */
  #wanted: 'more' | 'all' | undefined
  /** While a refill reads: the jobs that changed since it began, of which what it reads may be out of date. */
  #touched: Set<number> | undefined

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#size = options.window ?? WINDOW
    this.#low = Math.min(LOW, Math.floor(this.#size / 2))
    this.#most = options.weight ?? WEIGHT
  }

  /** How many jobs are running, or have ended and their ending is not stored. */
  get busy(): number {
    return this.#busy.size
  }

  isBusy(seq: number): boolean {
    return this.#busy.has(seq)
  }

  /** Jobs that are stored and queued: those nearer than the horizon enter the window, the others wait in the table. */
  add(jobs: readonly Job[]): void {
    for (const job of jobs) {
      this.#busy.delete(job.seq)
      this.#touched?.add(job.seq)
      if (job.state === 'queued' && this.#isNear(job)) this.#enter(job)
    }
    if (this.#ordinary > 2 * this.#size || this.#weight > 2 * this.#most) this.#trim()
    this.#options.wake()
  }

  /** @returns at most `limit` jobs that are due, in the order of their turn; they are busy from now on */
  take(limit: number): Job[] {
    const now = this.#options.clock.now()
    const taken: Job[] = []
    while (taken.length < limit) {
      const job = this.#first(this.#window)
      if (job === undefined || job.due > now) break
      this.#window.pop()
      this.#hold(job)
      taken.push(job)
    }
    this.#readOn()
    return taken
  }

  /** Suspects wait beside the window, and must not be taken for a full one. */
  get #ordinary(): number {
    return this.#waiting.size - this.#suspects.length
  }

  /** @returns whether a suspect is due */
  hasSuspect(): boolean {
    const job = this.#first(this.#suspects)
    return job !== undefined && job.due <= this.#options.clock.now()
  }

  /** @returns the suspect whose turn it is, where one is due; it is busy from now on */
  takeSuspect(): Job | undefined {
    if (!this.hasSuspect()) return undefined
    const job = this.#suspects.pop() as Job
    this.#hold(job)
    return job
  }

  /** Makes a job busy that is not running, to be removed or changed. @returns false where it is busy already */
  withdraw(seq: number): boolean {
    if (this.#busy.has(seq)) return false
    this.#bury(this.#waiting.get(seq))
    this.#busy.add(seq)
    return true
  }

  /** A busy job's row is gone, or rests. */
  forget(seq: number): void {
    this.#busy.delete(seq)
    this.#touched?.add(seq)
  }

  /** @returns when the next job becomes due after `now`, epoch ms, or `undefined` where none does */
  nextDue(now: number): number | undefined {
    const dues = [this.#later(this.#window, now), this.#later(this.#suspects, now)]
    return dues[0] === undefined || dues[1] === undefined ? (dues[0] ?? dues[1]) : Math.min(dues[0], dues[1])
  }

  /** What is due already waits for room. */
  #later(queue: TinyQueue<Job>, now: number): number | undefined {
    const due = this.#first(queue)?.due
    return due !== undefined && due > now ? due : undefined
  }

  /** Reads the window anew: at the start, when it runs low, and when rows were changed in bulk. */
  refill(): void {
    this.#read('all')
  }

  #readOn(): void {
    const isLow = this.#ordinary < this.#low && this.#weight < this.#most / 2
    if (this.#horizon !== undefined && isLow) this.#read('more')
  }

  #read(what: 'more' | 'all'): void {
    if (this.#wanted !== 'all') this.#wanted = what
    this.#refilling ??= this.#readWhileWanted()
  }

  async #readWhileWanted(): Promise<void> {
    for (let what = this.#wanted; what !== undefined; what = this.#wanted) {
      this.#wanted = undefined
      this.#touched = new Set()
      const after = what === 'more' ? this.#horizon : undefined
      // Of all, the busy ones and the suspects are read too; beyond the horizon there are none.
      const limit = this.#size - (after === undefined ? -this.#busy.size - this.#suspects.length : this.#low)
      const most = after === undefined ? this.#most : this.#most / 2
      try {
        this.#trimmed = undefined
        this.#replace(await this.#options.store.nearest(limit, most, after))
      } catch (error) {
        this.#options.unreadable(error as Error)
        await new Promise((resolve) => setTimeout(resolve, READ_AGAIN))
        this.#wanted ??= what
      }
    }
    this.#touched = undefined
    this.#refilling = undefined
    this.#options.wake()
  }

  /** What was read joins what is in the window: a job that arrived meanwhile is in one or in both. */
  #replace({ jobs, isCut }: Stretch): void {
    const last = isCut ? jobs.at(-1) : undefined
    const trimmed = this.#trimmed
    this.#horizon =
      last === undefined || (trimmed !== undefined && byTurn(trimmed, last) < 0) ? trimmed : last
    for (const job of jobs) if (!this.#busy.has(job.seq) && !this.#touched?.has(job.seq)) this.#enter(job)
    if (this.#horizon !== undefined) this.#dropBeyond(this.#horizon)
    // Where the busy ones and the suspects were all that it had room for, nobody else would ask for what comes after them.
    this.#readOn()
  }

  /** While a refill reads, its horizon is not yet known: what arrives then enters, and is dropped later where it is far. */
  #isNear(job: Job): boolean {
    const bound = this.#touched === undefined ? this.#horizon : this.#trimmed
    return bound === undefined || byTurn(job, bound) <= 0
  }

  #enter(job: Job): void {
    const known = this.#waiting.get(job.seq)
    if (known?.due === job.due && known.mark === job.mark) return
    this.#bury(known)
    this.#waiting.set(job.seq, job)
    if (!isSuspect(job)) this.#weight += weightOf(job)
    this.#queueOf(job).push(job)
  }

  /** A job whose entry has left its heap. */
  #hold(job: Job): void {
    this.#leave(job)
    this.#busy.add(job.seq)
  }

  #leave(job: Job): void {
    this.#waiting.delete(job.seq)
    if (!isSuspect(job)) this.#weight -= weightOf(job)
  }

  /** A job whose entry stays in its heap: not for as long as it would have waited. */
  #bury(job: Job | undefined): void {
    if (job === undefined) return
    this.#leave(job)
    this.#buried += weightOf(job)
    if (this.#window.length > 2 * this.#waiting.size + this.#size || this.#buried > this.#most)
      this.#rebuild()
  }

  #queueOf(job: Job): TinyQueue<Job> {
    return isSuspect(job) ? this.#suspects : this.#window
  }

  /** The nearest job; entries that were withdrawn or replaced are passed over. */
  #first(queue: TinyQueue<Job>): Job | undefined {
    for (;;) {
      const job = queue.peek()
      if (job === undefined || this.#waiting.get(job.seq) === job) return job
      queue.pop()
    }
  }

  #trim(): void {
    // Suspects, of which there are few, must not push the others out, who would be read again at once.
    const jobs = [...this.#waiting.values()].filter((job) => !isSuspect(job)).sort(byTurn)
    let weight = 0
    this.#horizon = jobs.find((job, at) => {
      weight += weightOf(job)
      return at === this.#size - 1 || weight > this.#most
    })
    this.#trimmed = this.#horizon
    if (this.#horizon !== undefined) this.#dropBeyond(this.#horizon)
  }

  #dropBeyond(horizon: Job): void {
    for (const job of this.#waiting.values()) if (byTurn(job, horizon) > 0) this.#leave(job)
    this.#rebuild()
  }

  #rebuild(): void {
    const jobs = [...this.#waiting.values()]
    this.#window = new TinyQueue(
      jobs.filter((job) => !isSuspect(job)),
      byTurn,
    )
    this.#suspects = new TinyQueue(jobs.filter(isSuspect), byTurn)
    this.#buried = 0
  }
}
