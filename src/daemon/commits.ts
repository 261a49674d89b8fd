/**
 * One commit a turn: everything that arrived or ended since the last one becomes durable together. A commit a job is a
 * wall at some thousands a second, a commit a batch is none.
 */
import { StorageError } from '../model/errors.ts'
import type { Job, NewJob } from '../model/job.ts'
import type { Committed, Store } from '../store/store.ts'
import { Doubtful } from './commits/doubtful.ts'
import { halve } from './commits/halve.ts'
import {
  type Arrival,
  batchOf,
  type Change,
  changesIn,
  type Marking,
  type NotStored,
  type Unit,
  unitsOf,
} from './commits/units.ts'

export type { NotStored } from './commits/units.ts'

export interface CommitsOptions {
  readonly store: Pick<Store, 'commit' | 'isJobsFault' | 'mayBeStored'>
  /** Jobs that are stored now and were not before. */
  readonly stored: (jobs: readonly Job[]) => void
  /** A job whose ending is stored now. */
  readonly ended: (job: Job, next: Job | undefined) => void
  /** A job whose ending was written in vain: another daemon has it. */
  readonly lost: (job: Job) => void
  /** The database does not take how a job goes on. @returns the job as it is then to be kept, failed */
  readonly unstorable: (job: Job, next: Job | undefined, error: Error) => Job
  /** Nor does it take that: the row stays what it was, and the job does not run again before its end is written. */
  readonly stuck: (job: Job, error: Error) => void
  /** How many new jobs can begin at once. */
  readonly credit: () => number
  /** Whether a job of this id ended a short while ago. */
  readonly hasEnded: (id: string) => boolean
  /** The database fails, or works again. */
  readonly health: (error: Error | undefined) => void
}

/** How long a failed commit of outcomes waits before it is tried again, ms. */
const RETRY_AFTER = 250
/** How long until one of the jobs that are stuck is tried again, ms: what the database has against them may be mended. */
const PROBE_AFTER = 1000
/**
 * Outcomes that may wait for a database that fails; beyond it nothing is handed out. One takes a few hundred bytes, and
 * what has run and is not written runs again should the daemon die.
 */
const MOST_WAITING = 10_000
/**
 * Jobs that one commit inserts, about: 4 µs each, in which the event loop stands still. Five batches of 100,000 jobs in one
 * commit were 2 s. What arrived together stays together, whatever it takes.
 */
const MOST_INSERTS = 10_000
const ALL_STORED: readonly NotStored[] = []
const NONE: ReadonlySet<number> = new Set()

export class Commits {
  readonly #options: CommitsOptions
  #arrivals: Arrival[] = []
  #changes: Change[] = []
  readonly #doubtful = new Doubtful()
  /** Arrivals that came before the end of a commit that they were not in, and that may have ended one of their jobs. */
  readonly #overtaken = new Set<Arrival>()
  #scheduled = false
  #running: Promise<void> | undefined
  #outage: Error | undefined
  #again: NodeJS.Timeout | undefined
  /** Neither their endings nor that they are failed can be written. They hold up nobody. */
  #stuck: Change[] = []
  #probe: NodeJS.Timeout | undefined

  constructor(options: CommitsOptions) {
    this.#options = options
  }

  /**
   * Stores new jobs with the next commit, then answers.
   *
   * @param together where one of them cannot be stored, none is
   * @param waits told where the answer may take as long as the disk does
   */
  insert(
    jobs: readonly NewJob[],
    answer: Arrival['answer'],
    together = false,
    waits: Arrival['waits'] = undefined,
  ): void {
    const arrival = { jobs, answer, together, waits }
    if (this.#outage !== undefined && this.#doubtful.size > 0) return this.#turnAway(arrival, this.#outage)
    if (this.#running !== undefined) this.#overtaken.add(arrival)
    this.#arrivals.push(arrival)
    this.#schedule()
  }

  #turnAway(arrival: Arrival, outage: Error): void {
    if (this.#doubtful.joins(arrival)) return
    if (this.#doubtful.concerns(arrival)) this.#doubtful.add(arrival)
    else refuse(arrival, outage)
  }

  /**
   * Writes with the next commit how a job goes on. What cannot be written waits: its outcome is never lost (B4, B11). What
   * the database does not take, for what the job is, fails the job.
   */
  settle(job: Job, next: Job | undefined): void {
    this.#change(ending(job, next))
  }

  /** Writes a job's mark with the next commit. */
  mark(job: Job, marking: Marking): void {
    this.#change({ job, next: job, marking, instead: undefined, stuckBy: undefined })
  }

  /** Fails a job of which something could not be written. */
  fail(job: Job, error: Error): void {
    this.#change(this.#asFailed(ending(job, job), error))
  }

  /**
   * Writes at once how jobs go on, and tells nobody: before the queue moves, and after.
   *
   * @returns the jobs that are stuck
   * @throws the database's own error, where it is none of the jobs' fault
   */
  async write(endings: readonly (readonly [job: Job, next: Job | undefined])[]): Promise<readonly Job[]> {
    const bad = await this.#tried(endings.map(([job, next]) => ending(job, next)))
    const stuck = await this.#tried(bad.map(([change, error]) => this.#asFailed(change, error)))
    for (const [change, error] of stuck) this.#hold(change, error)
    return stuck.map(([{ job }]) => job)
  }

  /** @returns why the database takes neither how a job goes on nor that it is failed, where it does not */
  stuckBy(seq: number): Error | undefined {
    return this.#stuck.find(({ job }) => job.seq === seq)?.stuckBy
  }

  /** Whether the database fails and so many outcomes wait for it that no more should come. */
  get isBehind(): boolean {
    return this.#outage !== undefined && this.#changes.length >= MOST_WAITING
  }

  #change(change: Change): void {
    this.#changes.push(change)
    // While the database fails it is tried by the clock: not for each job that ends.
    if (this.#again === undefined) this.#schedule()
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
      else if (!this.#waits || performance.now() >= deadline) break
      else await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER / 10))
    }
    clearTimeout(this.#again)
    clearTimeout(this.#probe)
    return [...this.#changes, ...this.#stuck]
      .filter(({ marking }) => marking === undefined)
      .map(({ job }) => job)
  }

  /** Whether anything waits for a database that fails. */
  get #waits(): boolean {
    return this.#changes.length > 0 || this.#doubtful.size > 0
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
      // Changes that wait for the timer do not wait here; those that came while calls were refused have none.
      const isTimed = this.#outage !== undefined && this.#again !== undefined
      if (this.#arrivals.length > 0 || (this.#waits && !isTimed)) this.#schedule()
    })
  }

  async #commit(): Promise<void> {
    const taken = this.#take()
    const fresh = this.#overtaken.size === 0 ? taken : taken.map((one) => this.#unended(one))
    for (const arrival of this.#arrivals) this.#overtaken.add(arrival)
    const arrivals = this.#doubtful.size === 0 ? fresh : [...this.#doubtful.arrivals, ...fresh]
    const changes = this.#changes
    this.#changes = []
    const insert =
      arrivals.length === 1 ? (arrivals[0] as Arrival).jobs : arrivals.flatMap(({ jobs }) => jobs)
    let committed: Committed
    try {
      committed = await this.#options.store.commit({
        ...{ insert, ...changesIn(changes) },
        claims: this.#options.credit(),
      })
    } catch (error) {
      if (this.#options.store.isJobsFault(error as Error))
        await this.#divide(unitsOf(arrivals, changes), error as Error)
      else this.#failed(error as Error, arrivals, changes)
      return
    }
    this.#healthy()
    for (const arrival of arrivals) this.#doubtful.settle(arrival)(ALL_STORED)
    const lost = seqsOf(committed.lost)
    for (const change of changes) this.#written(change, lost)
    this.#options.stored(committed.inserted)
  }

  /** @returns the arrivals of the next commit, at least one where there are any; the others wait for the one after it */
  #take(): readonly Arrival[] {
    let jobs = 0
    const end = this.#arrivals.findIndex((arrival, at) => {
      jobs += arrival.jobs.length
      return at > 0 && jobs > MOST_INSERTS
    })
    return this.#arrivals.splice(0, end === -1 ? this.#arrivals.length : end)
  }

  /** What a commit has ended since it came is stored already, and must not be stored anew: sent again, it had found its row still there. */
  #unended(arrival: Arrival): Arrival {
    if (!this.#overtaken.delete(arrival)) return arrival
    const places = [...arrival.jobs.keys()].filter(
      (at) => !this.#options.hasEnded((arrival.jobs[at] as NewJob).id),
    )
    return places.length === arrival.jobs.length ? arrival : remaining(arrival, places, [])
  }

  #written({ job, next, marking, stuckBy }: Change, lost: ReadonlySet<number>): void {
    const isLost = lost.has(job.seq)
    if (marking !== undefined) return isLost ? marking.lost() : marking.stored()
    if (isLost) this.#options.lost(job)
    // As it is stored, it is in nobody's hands.
    else this.#options.ended(job, next === undefined || next.claim === null ? next : { ...next, claim: null })
    if (stuckBy === undefined) return
    // What the database had against it is mended, and perhaps for the others too.
    this.#changes = this.#changes.concat(this.#stuck)
    this.#stuck = []
  }

  /** One of the jobs is bad: the others are written without it. */
  async #divide(units: readonly Unit[], cause: Error): Promise<void> {
    const { store } = this.#options
    const [failed, inserted, lost] = await this.#halved(units, cause)
    const refused = new Map<Arrival, NotStored[]>()
    const doubtful = new Map<Arrival, number[]>()
    const waiting: Change[] = []
    let outage: Error | undefined
    for (const unit of units) {
      const error = failed.get(unit)
      const isBad = error !== undefined && store.isJobsFault(error)
      if (!isBad) outage ??= error
      if (unit.kind === 'new') {
        const list = refused.get(unit.arrival) ?? []
        refused.set(unit.arrival, list)
        if (error === undefined) continue
        if (!isBad && (store.mayBeStored(error) || this.#doubtful.has(unit.arrival))) {
          const places = doubtful.get(unit.arrival) ?? []
          doubtful.set(unit.arrival, places)
          for (let at = 0; at < unit.jobs.length; at++) places.push(unit.first + at)
          continue
        }
        const told = isBad ? notTaken(error, unit.arrival.together) : notWritten(error)
        for (let at = 0; at < unit.jobs.length; at++) list.push([unit.first + at, told])
      } else if (error === undefined) this.#written(unit.change, lost)
      else if (isBad) this.#spoilt(unit.change, error)
      else waiting.push(unit.change)
    }
    for (const [arrival, list] of refused) {
      const places = doubtful.get(arrival)
      const answer = this.#doubtful.settle(arrival)
      if (places === undefined) answer(list)
      else this.#doubtful.add(remaining({ ...arrival, answer }, places, list))
    }
    this.#options.stored(inserted)
    if (outage === undefined) this.#healthy()
    else this.#failed(outage, [], waiting)
  }

  /** @returns what could not be written, the jobs that were stored, and the numbers of those that are lost */
  async #halved(
    units: readonly Unit[],
    cause?: Error,
  ): Promise<[Map<Unit, Error>, readonly Job[], ReadonlySet<number>]> {
    const { store } = this.#options
    const inserted: Job[] = []
    const lost = new Set<number>()
    const commit = async (part: readonly Unit[]): Promise<void> => {
      // One by one: of a hundred thousand a spread would overflow the stack.
      const committed = await store.commit(batchOf(part))
      for (const job of committed.inserted) inserted.push(job)
      for (const { seq } of committed.lost) lost.add(seq)
    }
    return [await halve(units, cause, commit, (error) => store.isJobsFault(error)), inserted, lost]
  }

  async #tried(changes: readonly Change[]): Promise<(readonly [Change, Error])[]> {
    if (changes.length === 0) return []
    const [failed] = await this.#halved(unitsOf([], changes))
    for (const error of failed.values()) if (!this.#options.store.isJobsFault(error)) throw error
    return [...failed].flatMap(([unit, error]) => (unit.kind === 'change' ? [[unit.change, error]] : []))
  }

  /** The database does not take a change: a job whose run is over is failed with the next commit. */
  #spoilt(change: Change, error: Error): void {
    if (change.marking !== undefined) change.marking.refused(error)
    else if (change.instead !== undefined || change.stuckBy !== undefined) this.#hold(change, error)
    else this.#changes.push(this.#asFailed(change, error))
  }

  #asFailed(instead: Change, error: Error): Change {
    const { job, next } = instead
    return { ...ending(job, this.#options.unstorable(job, next, error)), instead }
  }

  #hold(change: Change, error: Error): void {
    if (change.stuckBy === undefined) this.#options.stuck(change.job, error)
    this.#stuck.push({ ...(change.instead ?? change), stuckBy: error })
    this.#probe ??= setTimeout(() => this.#tryStuck(), PROBE_AFTER).unref()
  }

  /** One of them, another each time: a commit with all of them would cost two a job, each second. */
  #tryStuck(): void {
    this.#probe = undefined
    const change = this.#stuck.shift()
    if (change !== undefined) this.#change(change)
  }

  #failed(cause: Error, arrivals: readonly Arrival[], changes: readonly Change[]): void {
    const isDoubtful = this.#options.store.mayBeStored(cause)
    for (const arrival of arrivals)
      if (isDoubtful || this.#doubtful.has(arrival)) this.#doubtful.add(arrival)
      else refuse(arrival, cause)
    if (changes.length > 0) this.#changes = [...changes, ...this.#changes]
    // One timer, however many commits fail meanwhile.
    if (changes.length > 0 || this.#doubtful.size > 0) {
      this.#again ??= setTimeout(() => this.#retry(), RETRY_AFTER)
    }
    if (this.#outage === undefined) this.#options.health(cause)
    this.#outage = cause
    if (this.#doubtful.size === 0) return
    for (const arrival of this.#arrivals.splice(0)) {
      this.#overtaken.delete(arrival)
      this.#turnAway(arrival, cause)
    }
  }

  #retry(): void {
    this.#again = undefined
    if (this.#waits) this.#schedule()
  }

  #healthy(): void {
    if (this.#outage !== undefined) this.#options.health(undefined)
    this.#outage = undefined
  }
}

const seqsOf = (jobs: readonly Job[]): ReadonlySet<number> =>
  jobs.length === 0 ? NONE : new Set(jobs.map(({ seq }) => seq))

const ending = (job: Job, next: Job | undefined): Change => ({
  job,
  next,
  marking: undefined,
  instead: undefined,
  stuckBy: undefined,
})

/** @returns those of an arrival's jobs that are in these places; of the others it is known which are not stored */
const remaining = (
  { jobs, answer, together, waits }: Arrival,
  places: readonly number[],
  known: readonly NotStored[],
): Arrival => ({
  jobs: places.flatMap((place) => jobs[place] ?? []),
  together,
  waits,
  answer: (later) => answer([...known, ...later.map(([at, error]) => [places[at] ?? 0, error] as const)]),
})

const refuse = ({ jobs, answer }: Arrival, cause: Error): void => {
  const error = notWritten(cause)
  answer(jobs.map((_, index) => [index, error]))
}

const notWritten = (cause: Error): StorageError =>
  new StorageError(
    `The daemon could not write to its database: ${cause.message}. The job is not stored; call again when the database works.`,
    { reason: cause.message },
    { cause },
  )

const notTaken = (cause: Error, together: boolean): StorageError =>
  new StorageError(
    together
      ? `The database does not take one of these jobs: ${cause.message}. None of them is stored.`
      : `The database does not take this job: ${cause.message}. It is not stored.`,
    { reason: cause.message },
    { cause },
  )
