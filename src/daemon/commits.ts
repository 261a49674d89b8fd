/**
 * One commit a turn: everything that arrived or ended since the last one becomes durable together. A commit a job is a
 * wall at some thousands a second, a commit a batch is none.
 */
import { StorageError } from '../model/errors.ts'
import type { Job, NewJob } from '../model/job.ts'
import type { Batch, Store } from '../store/store.ts'
import { halve } from './commits/halve.ts'

/** A new job that is not stored, by its place among those that came with it, and why. */
export type NotStored = readonly [index: number, error: StorageError]

/** Jobs that arrived in one message, and who waits for them to be on disk. */
interface Arrival {
  readonly jobs: readonly NewJob[]
  /** Told which of the jobs are not stored. */
  readonly answer: (notStored: readonly NotStored[]) => void
  /** They are stored all of them or none. */
  readonly together: boolean
}

/** A job as it goes on, or `undefined` where it is no more. */
interface Change {
  readonly job: Job
  readonly next: Job | undefined
  /** Called when it is on disk; where none is given its run is over, and `ended` is. */
  readonly stored: (() => void) | undefined
}

/** What a commit writes as a whole or not at all. */
type Unit =
  | {
      readonly kind: 'new'
      readonly arrival: Arrival
      readonly first: number
      readonly jobs: readonly NewJob[]
    }
  | { readonly kind: 'change'; readonly change: Change }

export interface CommitsOptions {
  readonly store: Pick<Store, 'commit' | 'isJobsFault'>
  /** Jobs that are stored now and were not before. */
  readonly stored: (jobs: readonly Job[]) => void
  /** A job whose ending is stored now. */
  readonly ended: (job: Job, next: Job | undefined) => void
  /** The database does not take how a job goes on. @returns the job as it is then to be kept, failed */
  readonly unstorable: (job: Job, error: Error) => Job
  /** Nor does it take that: the row stays what it was, and the job does not run again before the next start. */
  readonly stuck: (job: Job, error: Error) => void
  /** The database fails, or works again. */
  readonly health: (error: Error | undefined) => void
}

/** How long a failed commit of outcomes waits before it is tried again, ms. */
const RETRY_AFTER = 250
const ALL_STORED: readonly NotStored[] = []

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

  /**
   * Stores new jobs with the next commit, then answers.
   *
   * @param together where one of them cannot be stored, none is
   */
  insert(jobs: readonly NewJob[], answer: Arrival['answer'], together = false): void {
    this.#arrivals.push({ jobs, answer, together })
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
      if (this.#options.store.isJobsFault(error as Error)) await this.#divide(unitsOf(arrivals, changes))
      else this.#failed(error as Error, arrivals, changes)
      return
    }
    this.#healthy()
    for (const { answer } of arrivals) answer(ALL_STORED)
    for (const change of changes) this.#written(change)
    this.#options.stored(inserted)
  }

  #written({ job, next, stored }: Change): void {
    if (stored === undefined) this.#options.ended(job, next)
    else stored()
  }

  /** One of the jobs is bad: the others are written without it. */
  async #divide(units: readonly Unit[]): Promise<void> {
    const { store } = this.#options
    const inserted: Job[] = []
    const failed = await halve(
      units,
      async (part) => void inserted.push(...(await store.commit(batchOf(part)))),
      (error) => store.isJobsFault(error),
    )
    const refused = new Map<Arrival, NotStored[]>()
    const waiting: Change[] = []
    for (const unit of units) {
      const error = failed.get(unit)
      if (unit.kind === 'new') {
        const list = refused.get(unit.arrival) ?? []
        refused.set(unit.arrival, list)
        if (error === undefined) continue
        const told = refusal(error, store.isJobsFault(error))
        list.push(...unit.jobs.map((_, at): NotStored => [unit.first + at, told]))
      } else if (error === undefined) this.#written(unit.change)
      else if (store.isJobsFault(error)) await this.#spoil(unit.change, error)
      else waiting.push(unit.change)
    }
    for (const [{ answer }, list] of refused) answer(list)
    this.#options.stored(inserted)
    const [unwritten] = [...failed.values()].filter((error) => !store.isJobsFault(error))
    if (unwritten !== undefined) this.#failed(unwritten, [], waiting)
    else this.#healthy()
  }

  /** A job whose ending the database does not take is failed; a mark that it does not take is done without. */
  async #spoil(change: Change, error: Error): Promise<void> {
    const { job, stored } = change
    if (stored !== undefined) return stored()
    const next = this.#options.unstorable(job, error)
    try {
      await this.#options.store.commit({ insert: [], save: [next], remove: [] })
    } catch (cause) {
      return this.#options.stuck(job, cause as Error)
    }
    this.#options.ended(job, next)
  }

  #failed(cause: Error, arrivals: readonly Arrival[], changes: readonly Change[]): void {
    const error = refusal(cause, false)
    for (const { jobs, answer } of arrivals) answer(jobs.map((_, index) => [index, error]))
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

const unitsOf = (arrivals: readonly Arrival[], changes: readonly Change[]): readonly Unit[] => [
  ...arrivals.flatMap((arrival): Unit[] => {
    const { jobs, together } = arrival
    if (together) return [{ kind: 'new', arrival, first: 0, jobs }]
    return jobs.map((job, first) => ({ kind: 'new', arrival, first, jobs: [job] }))
  }),
  ...changes.map((change): Unit => ({ kind: 'change', change })),
]

const batchOf = (units: readonly Unit[]): Batch => ({
  insert: units.flatMap((unit) => (unit.kind === 'new' ? unit.jobs : [])),
  save: units.flatMap((unit) => (unit.kind === 'change' ? (unit.change.next ?? []) : [])),
  remove: units.flatMap((unit) =>
    unit.kind === 'change' && unit.change.next === undefined ? [unit.change.job] : [],
  ),
})

const refusal = (cause: Error, ofJob: boolean): StorageError => {
  const message = ofJob
    ? `The database does not take this job, or one that it goes together with: ${cause.message}. It is not stored.`
    : `The daemon could not write to its database: ${cause.message}. The job is not stored; call again when the database works.`
  return new StorageError(message, { reason: cause.message }, { cause })
}
