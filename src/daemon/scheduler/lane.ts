/**
 * The queue of one priority. It is in the database; here is a window of its nearest jobs. Suspects, which run alone, stand
 * in a queue of their own: they hold up nobody.
 */
import TinyQueue from 'tinyqueue'
import { byDue, type Due, isSuspect, type Job, type SuspectChoice, weightOf } from '../../model/job.ts'
import type { Stretch } from '../../store/store.ts'

/** How long a failed read waits before the next, ms. */
const READ_AGAIN = 1000

export interface LaneOptions {
  /** As the store's, of this priority. */
  readonly nearest: (limit: number, most: number, after?: Due) => Promise<Stretch>
  /** Of all lanes, by sequence number: the table still shows them as queued, and a refill passes them over. */
  readonly busy: ReadonlySet<number>
  /** Jobs may be due now that were not in the window before. */
  readonly wake: () => void
  /** The database could not be read; it is tried again each second. */
  readonly unreadable: (error: Error) => void
  /** Jobs in the window at most after it was read. */
  readonly size: number
  /** Their texts, likewise, characters. */
  readonly weight: number
}

export class Lane {
  readonly #options: LaneOptions
  /** Below this, and half the weight, more are read, as many as it falls short by, so that the workers do not run dry. */
  readonly #low: number
  #window = new TinyQueue<Job>([], byDue)
  #suspects = new TinyQueue<Job>([], byDue)
  /** By sequence number, for every job in the window that has not been withdrawn. */
  readonly #waiting = new Map<number, Job>()
  readonly #suspectsById = new Map<string, Job>()
  /** Of those of them that are no suspects: who has run alone with a worker was one of few. */
  #weight = 0
  /** Of the jobs that have left the window and not its heap. */
  #buried = 0
  /** The window's end where the table holds later jobs: those up to it are in the window; undefined where all are. */
  #horizon: Job | undefined
  #refilling: Promise<void> | undefined
  /** From when on rows are being read, epoch ms; nothing while a failed read waits for the next. */
  #readsFrom: number | undefined
  /** How far the window was cut since the read began: what lies beyond is in the table, whatever the read says. */
  #trimmed: Job | undefined
  /** What is to be read next: the rows beyond the horizon, or all anew. */
  #wanted: 'more' | 'all' | undefined
  /** While a refill reads: the jobs that changed since it began, of which what it reads may be out of date. */
  #touched: Set<number> | undefined

  constructor(options: LaneOptions) {
    this.#options = options
    this.#low = Math.floor(options.size / 2)
  }

  /** A job that is stored: where it is queued and nearer than the horizon it enters the window, else it waits in the table. */
  add(job: Job): void {
    this.#touched?.add(job.seq)
    if (job.state === 'queued' && this.#isNear(job)) this.#enter(job)
  }

  /** Jobs have been added: those that are too far away for the window leave it. */
  trim(): void {
    const { size, weight } = this.#options
    if (this.#ordinary > 2 * size || this.#weight > 2 * weight) this.#trim()
  }

  /**
   * Moves jobs that are due by `now` into `taken`, in the order of their turn, until those are `limit`.
   *
   * @returns whether more of them may be due, which are just being read: they wake when they are there
   */
  take(limit: number, now: number, taken: Job[]): boolean {
    while (taken.length < limit) {
      const job = this.#first(this.#window)
      if (job === undefined || job.due > now) break
      this.#window.pop()
      this.#leave(job)
      taken.push(job)
    }
    this.#readOn()
    if (taken.length >= limit || this.#readsFrom === undefined) return false
    // What is read may be later than what has been cut off meanwhile, and what is to be read next.
    return Math.min(this.#readsFrom, this.#trimmed?.due ?? this.#readsFrom) <= now || this.#wanted === 'all'
  }

  /** Suspects wait beside the window, and must not be taken for a full one. */
  get #ordinary(): number {
    return this.#waiting.size - this.#suspectsById.size
  }

  /** @returns whether a suspect is due by `now` */
  hasSuspect(now: number): boolean {
    const job = this.#first(this.#suspects)
    return job !== undefined && job.due <= now
  }

  isSuspect(id: string): boolean {
    return this.#suspectsById.has(id)
  }

  /** @returns the suspect whose turn it is of those that may run, where one is due by `now` */
  takeSuspect(now: number, { only, fits }: SuspectChoice): Job | undefined {
    if (!this.hasSuspect(now)) return undefined
    if (only === undefined && fits === undefined) {
      const job = this.#suspects.pop() as Job
      this.#leave(job)
      return job
    }
    const all = only?.flatMap((id) => this.#suspectsById.get(id) ?? []) ?? [...this.#suspectsById.values()]
    const found = all.filter((job) => job.due <= now && (fits === undefined || fits(job)))
    const job = found.length === 0 ? undefined : found.reduce((a, b) => (byDue(b, a) < 0 ? b : a))
    this.#bury(job)
    return job
  }

  /** A job that is in somebody's hands. */
  withdraw(seq: number): void {
    this.#bury(this.#waiting.get(seq))
  }

  /** A busy job's row is gone, or rests. */
  forget(seq: number): void {
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
    const isLow = this.#ordinary < this.#low && this.#weight < this.#options.weight / 2
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
      const { size, weight, busy } = this.#options
      const limit = size - (after === undefined ? -busy.size - this.#suspects.length : this.#low)
      const most = after === undefined ? weight : weight / 2
      try {
        this.#trimmed = undefined
        this.#readsFrom = after?.due ?? Number.NEGATIVE_INFINITY
        const stretch = await this.#options.nearest(limit, most, after)
        this.#readsFrom = undefined
        this.#replace(stretch)
      } catch (error) {
        this.#readsFrom = undefined
        this.#options.unreadable(error as Error)
        // Nobody waits for what cannot be read.
        this.#options.wake()
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
    this.#horizon = last === undefined || (trimmed !== undefined && byDue(trimmed, last) < 0) ? trimmed : last
    for (const job of jobs)
      if (!this.#options.busy.has(job.seq) && !this.#touched?.has(job.seq)) this.#enter(job)
    if (this.#horizon !== undefined) this.#dropBeyond(this.#horizon)
    // Where the busy ones and the suspects were all that it had room for, nobody else would ask for what comes after them.
    this.#readOn()
  }

  /** While a refill reads, its horizon is not yet known: what arrives then enters, and is dropped later where it is far. */
  #isNear(job: Job): boolean {
    const bound = this.#touched === undefined ? this.#horizon : this.#trimmed
    return bound === undefined || byDue(job, bound) <= 0
  }

  #enter(job: Job): void {
    const known = this.#waiting.get(job.seq)
    if (known?.due === job.due && known.mark === job.mark) return
    this.#bury(known)
    this.#waiting.set(job.seq, job)
    if (isSuspect(job)) this.#suspectsById.set(job.id, job)
    else this.#weight += weightOf(job)
    this.#queueOf(job).push(job)
  }

  #leave(job: Job): void {
    this.#waiting.delete(job.seq)
    if (isSuspect(job)) this.#suspectsById.delete(job.id)
    else this.#weight -= weightOf(job)
  }

  /** A job whose entry stays in its heap: not for as long as it would have waited. */
  #bury(job: Job | undefined): void {
    if (job === undefined) return
    this.#leave(job)
    this.#buried += weightOf(job)
    const { size, weight } = this.#options
    const entries = this.#window.length + this.#suspects.length
    if (entries > 2 * this.#waiting.size + size || this.#buried > weight) this.#rebuild()
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
    const jobs = [...this.#waiting.values()].filter((job) => !isSuspect(job)).sort(byDue)
    let weight = 0
    this.#horizon = jobs.find((job, at) => {
      weight += weightOf(job)
      return at === this.#options.size - 1 || weight > this.#options.weight
    })
    this.#trimmed = this.#horizon
    if (this.#horizon !== undefined) this.#dropBeyond(this.#horizon)
  }

  #dropBeyond(horizon: Job): void {
    for (const job of this.#waiting.values()) if (byDue(job, horizon) > 0) this.#leave(job)
    this.#rebuild()
  }

  #rebuild(): void {
    const jobs = [...this.#waiting.values()]
    this.#window = new TinyQueue(
      jobs.filter((job) => !isSuspect(job)),
      byDue,
    )
    this.#suspects = new TinyQueue(jobs.filter(isSuspect), byDue)
    this.#buried = 0
  }
}
