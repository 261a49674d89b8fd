/**
 * One commit a turn: everything that arrived or ended since the last one becomes durable together. A commit a job is a
 * wall at some thousands a second, a commit a batch is none.
 */
import { StorageError } from '../model/errors.ts'
import type { Job, NewJob } from '../model/job.ts'
import type { Store } from '../store/store.ts'

/** Jobs that arrived in one message, and who waits for them to be on disk. */
interface Arrival {
  readonly jobs: readonly NewJob[]
  /** Told the error, or nothing where the jobs are stored. */
  readonly answer: (error?: StorageError) => void
}

/** A job as it goes on, or `undefined` where it is no more. */
interface Change {
  readonly job: Job
  readonly next: Job | undefined
  /** Called when it is on disk; where none is given its run is over, and `ended` is. */
  readonly stored: (() => void) | undefined
}

export interface CommitsOptions {
  readonly store: Store
  /** Jobs that are stored now and were not before. */
  readonly stored: (jobs: readonly Job[]) => void
  /** A job whose ending is stored now. */
  readonly ended: (job: Job, next: Job | undefined) => void
  /** The database fails, or works again. */
  readonly health: (error: Error | undefined) => void
}

/** How long a failed commit of outcomes waits before it is tried again, ms. */
const RETRY_AFTER = 250

export class Commits {
  readonly #options: CommitsOptions
  #arrivals: Arrival[] = []
  #changes: Change[] = []
  #scheduled = false
  #running: Promise<void> | undefined
  #failing = false
  #again: NodeJS.Timeout | undefined

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /** Stores new jobs with the next commit, then answers. */
  insert(jobs: readonly NewJob[], answer: Arrival['answer']): void {
    this.#arrivals.push({ jobs, answer })
    this.#schedule()
  }

  /** Writes with the next commit how a job goes on. What cannot be written waits: its outcome is never lost (B4, B11). */
  settle(job: Job, next: Job | undefined): void {
    this.#change({ job, next, stored: undefined })
  }

  /** Writes a job's mark with the next commit, then calls `stored`; its run goes on meanwhile. */
  mark(job: Job, stored: () => void): void {
    this.#change({ job, next: job, stored })
  }

  #change(change: Change): void {
    this.#changes.push(change)
    this.#schedule()
  }

  /** Resolves when the next commit has ended, well or not. */
  async next(): Promise<void> {
    if (this.#running === undefined) await new Promise((resolve) => setImmediate(resolve))
    await (this.#running ?? new Promise((resolve) => setTimeout(resolve, RETRY_AFTER / 10)))
  }

  /**
   * Resolves when nothing waits to be committed, or when what waits was tried for as long.
   *
   * @param patience ms
   * @returns the jobs whose endings could not be stored
   */
  async drained(patience = 0): Promise<readonly Job[]> {
    const deadline = performance.now() + patience
    for (;;) {
      if (this.#running !== undefined) await this.#running
      else if (this.#scheduled) await new Promise((resolve) => setImmediate(resolve))
      else if (this.#changes.length === 0 || performance.now() >= deadline) break
      else await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER / 10))
    }
    clearTimeout(this.#again)
    return this.#changes.filter(({ stored }) => stored === undefined).map(({ job }) => job)
  }

  #schedule(): void {
    if (this.#scheduled || this.#running !== undefined) return
    this.#scheduled = true
    setImmediate(() => this.#start())
  }

  #start(): void {
    this.#scheduled = false
    this.#running = this.#commit().finally(() => {
      this.#running = undefined
      if (this.#arrivals.length > 0 || (this.#changes.length > 0 && !this.#failing)) this.#schedule()
    })
  }

  async #commit(): Promise<void> {
    const arrivals = this.#arrivals
    const changes = this.#changes
    this.#arrivals = []
    this.#changes = []
    const insert =
      arrivals.length === 1 ? (arrivals[0] as Arrival).jobs : arrivals.flatMap(({ jobs }) => jobs)
    const save: Job[] = []
    const remove: Job[] = []
    for (const { job, next } of changes) next === undefined ? remove.push(job) : save.push(next)
    let inserted: readonly Job[]
    try {
      inserted = await this.#options.store.commit({ insert, save, remove })
    } catch (error) {
      this.#failed(error as Error, arrivals, changes)
      return
    }
    this.#healthy()
    for (const { answer } of arrivals) answer()
    for (const { job, next, stored } of changes)
      stored === undefined ? this.#options.ended(job, next) : stored()
    this.#options.stored(inserted)
  }

  #failed(cause: Error, arrivals: readonly Arrival[], changes: readonly Change[]): void {
    const error = new StorageError(
      `The daemon could not write to its database: ${cause.message}. The job is not stored; call again when the database works.`,
      { reason: cause.message },
      { cause },
    )
    for (const { answer } of arrivals) answer(error)
    if (changes.length > 0) {
      this.#changes = [...changes, ...this.#changes]
      // One timer, however many commits fail meanwhile.
      this.#again ??= setTimeout(() => this.#retry(), RETRY_AFTER)
    }
    if (!this.#failing) this.#options.health(cause)
    this.#failing = true
  }

  #retry(): void {
    this.#again = undefined
    if (this.#changes.length > 0) this.#schedule()
  }

  #healthy(): void {
    if (this.#failing) this.#options.health(undefined)
    this.#failing = false
  }
}
