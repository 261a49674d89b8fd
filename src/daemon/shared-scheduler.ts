/**
 * Whose turn it is, where several daemons share a database: here are the jobs that this one has in hand, no more than its workers
 * can begin soon; the others are free, and whoever has room claims those whose turn it is.
 */
import TinyQueue from 'tinyqueue'
import type { Clock } from '../clock.ts'
import { byDue, byTurn, isSuspect, type Job, type SuspectChoice } from '../model/job.ts'
import type { SharedStore } from '../store/store.ts'

export interface SharedSchedulerOptions {
  readonly store: Pick<SharedStore, 'priorities' | 'claim' | 'nextFree' | 'acquire' | 'release'>
  readonly clock: Clock
  readonly wake: () => void
  /** The row of a job goes: another daemon has cancelled it, and was not heard. */
  readonly remove: (job: Job) => void
  /** The database could not be read; it is tried again each second. */
  readonly unreadable: (error: Error) => void
}

/** Jobs that are claimed at once at most. */
const MOST = 1000
/** How long a job that is in hand waits for room here before others may have it, ms. */
const PATIENCE = 100
/** How long a failed claim waits before the next, ms. */
const AGAIN = 1000

export class SharedScheduler {
  readonly #options: SharedSchedulerOptions
  /** By sequence number: in hand, and with no worker. */
  readonly #waiting = new Map<number, Job>()
  readonly #suspects = new Map<string, Job>()
  #ready = new TinyQueue<Job>([], byTurn)
  #later = new TinyQueue<Job>([], byDue)
  readonly #busy = new Set<number>()
  /** Claimed before it was known here that they are free again. */
  readonly #early = new Map<number, Job>()
  /** When the next free job is due, epoch ms, as far as this daemon knows; in the past where there may be more. Unknown until `refill`. */
  #nextFree: number | undefined
  /** What was entered together, the oldest first. */
  readonly #entered: { readonly at: number; readonly seqs: readonly number[] }[] = []
  /** Whether what is in hand finds room in time: then as many again are claimed while workers have something to do. */
  #isQuick = false
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  /** For how many more jobs there was room. */
  #wanted = 0
  #claiming = false

  constructor(options: SharedSchedulerOptions) {
    this.#options = options
  }

  get busy(): number {
    return this.#busy.size
  }

  isBusy(seq: number): boolean {
    return this.#busy.has(seq)
  }

  /** Whether a new job that is due may be claimed as it is stored: it would begin before none that waits. */
  get mayClaim(): boolean {
    const now = this.#options.clock.now()
    return (
      this.#ready.length === 0 && !this.#claiming && (this.#nextFree === undefined || this.#nextFree > now)
    )
  }

  /** Jobs are queued that were busy: those that are in hand wait here, the others are free. */
  add(jobs: readonly Job[]): void {
    for (const job of jobs) if (!this.#rested(job)) this.#goesOn(job)
    this.#watch(jobs)
    this.#options.wake()
  }

  /** New jobs are stored. One that was free may have been claimed before this was known here. */
  arrive(jobs: readonly Job[]): void {
    for (const job of jobs) this.#goesOn(job)
    this.#watch(jobs)
    this.#options.wake()
  }

  /** A job is not busy any more. @returns whether it is in hand again already */
  #rested({ seq }: Pick<Job, 'seq'>): boolean {
    this.#busy.delete(seq)
    const early = this.#early.get(seq)
    if (early === undefined) return false
    this.#early.delete(seq)
    this.#enter(early)
    return true
  }

  #goesOn(job: Job): void {
    if (job.state !== 'queued') return
    if (job.claim !== null) this.#enter(job)
    else this.#nextFree = Math.min(job.due, this.#nextFree ?? job.due)
  }

  take(limit: number): Job[] {
    const now = this.#options.clock.now()
    for (
      let job = this.#first(this.#later);
      job !== undefined && job.due <= now;
      job = this.#first(this.#later)
    ) {
      this.#later.pop()
      this.#ready.push(job)
    }
    const taken: Job[] = []
    while (taken.length < limit) {
      const job = this.#first(this.#ready)
      if (job === undefined) break
      this.#ready.pop()
      this.#waiting.delete(job.seq)
      this.#busy.add(job.seq)
      taken.push(job)
    }
    const ahead = this.#isQuick && taken.length === limit ? taken.length - this.#ready.length : 0
    this.#wanted = limit - taken.length + ahead
    this.#claimMore(now)
    return taken
  }

  hasSuspect(): boolean {
    const now = this.#options.clock.now()
    return [...this.#suspects.values()].some(({ due }) => due <= now)
  }

  isSuspect(id: string): boolean {
    return this.#suspects.has(id)
  }

  takeSuspect({ only, fits }: SuspectChoice = {}): Job | undefined {
    const now = this.#options.clock.now()
    const all = only?.flatMap((id) => this.#suspects.get(id) ?? []) ?? [...this.#suspects.values()]
    const found = all.filter((job) => job.due <= now && (fits === undefined || fits(job)))
    if (found.length === 0) return undefined
    const job = found.reduce((a, b) => (byTurn(b, a) < 0 ? b : a))
    this.#leave(job.seq)
    this.#busy.add(job.seq)
    return job
  }

  /** Makes a job busy that is in hand and not running, to be removed or changed. @returns false where it is busy already */
  withdraw({ seq }: Pick<Job, 'seq'>): boolean {
    if (this.#busy.has(seq)) return false
    this.#leave(seq)
    this.#busy.add(seq)
    return true
  }

  /** As `withdraw`, of a job that was found in the table: it may be free, or another daemon's. @returns it, where it is this one's */
  async acquire(job: Job): Promise<Job | undefined> {
    if (this.#busy.has(job.seq)) return undefined
    // Since it was found it may have been given back.
    const known = this.#waiting.get(job.seq) ?? { ...job, claim: null }
    const mine = job.state === 'queued' ? await this.#options.store.acquire(known) : job
    return mine !== undefined && this.withdraw(mine) ? mine : undefined
  }

  forget({ seq }: Pick<Job, 'seq'>): void {
    this.#leave(seq)
    this.#rested({ seq })
  }

  nextDue(now: number): number | undefined {
    const dues = [
      this.#first(this.#later)?.due,
      this.#nextFree,
      ...[...this.#suspects.values()].map(({ due }) => due),
    ].filter((due) => due !== undefined && due > now) as number[]
    return dues.length === 0 ? undefined : Math.min(...dues)
  }

  /** There may be free jobs that are due. */
  refill(): void {
    this.#nextFree = 0
    this.#options.wake()
  }

  /** @returns a job of that id that is in hand and with no worker */
  waitingBy(id: string): Job | undefined {
    return [...this.#waiting.values()].find((job) => job.id === id)
  }

  /** Nothing is in hand any more that is with no worker. */
  clear(): void {
    for (const seq of [...this.#waiting.keys()]) this.#leave(seq)
    this.#early.clear()
  }

  /** All has ended: what is in hand is freed with the daemon's leave. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#entered.length = 0
    this.#stopped = true
  }

  #watch(jobs: readonly Job[]): void {
    const seqs = jobs.flatMap(({ seq }) => (this.#waiting.has(seq) ? seq : []))
    if (seqs.length === 0) return
    this.#entered.push({ at: performance.now(), seqs })
    this.#timer ??= setTimeout(() => this.#giveBack(), PATIENCE)
  }

  /** What finds no room here may find it at another daemon, and here again, once there is some. */
  #giveBack(): void {
    const before = performance.now() - PATIENCE
    const late: Job[] = []
    for (let first = this.#entered[0]; first !== undefined && first.at <= before; first = this.#entered[0]) {
      this.#entered.shift()
      const left = first.seqs.flatMap((seq) => this.#waiting.get(seq) ?? []).filter((job) => !isSuspect(job))
      this.#isQuick = left.length === 0
      late.push(...left)
    }
    const next = this.#entered[0]
    this.#timer = next && setTimeout(() => this.#giveBack(), Math.ceil(next.at - before))
    if (late.length > 0) void this.#release(late)
  }

  async #release(jobs: readonly Job[]): Promise<void> {
    for (const { seq } of jobs) this.#leave(seq)
    // They are in hand no more, whatever the answer: it may have been done where that is lost.
    while (!this.#stopped)
      try {
        await this.#options.store.release(jobs)
        break
      } catch (error) {
        this.#options.unreadable(error as Error)
        await new Promise((resolve) => setTimeout(resolve, AGAIN))
      }
    this.refill()
  }

  #claimMore(now: number): void {
    if (this.#claiming || this.#wanted <= 0 || this.#nextFree === undefined || this.#nextFree > now) return
    this.#claiming = true
    void this.#claim(Math.min(this.#wanted, MOST)).finally(() => {
      this.#claiming = false
      this.#options.wake()
    })
  }

  async #claim(limit: number): Promise<void> {
    const { store, clock, unreadable } = this.#options
    try {
      let left = limit
      // Where some come meanwhile, `add` says so, or their daemon does.
      this.#nextFree = undefined
      const priorities = await store.priorities()
      for (const priority of priorities) {
        const claimed = await store.claim(priority, left, clock.now())
        for (const job of claimed) {
          if (job.mark === 'cancelled') this.#remove(job)
          else if (this.#busy.has(job.seq)) this.#early.set(job.seq, job)
          else this.#enter(job)
          left--
        }
        this.#watch(claimed)
        if (left === 0) {
          this.#nextFree = 0
          return
        }
      }
      const next = priorities.length === 0 ? undefined : await store.nextFree()
      if (next !== undefined) this.#nextFree = Math.min(next, this.#nextFree ?? next)
    } catch (error) {
      unreadable(error as Error)
      await new Promise((resolve) => setTimeout(resolve, AGAIN))
      this.#nextFree = 0
    }
  }

  #remove(job: Job): void {
    this.#busy.add(job.seq)
    this.#options.remove(job)
  }

  #enter(job: Job): void {
    this.#leave(job.seq)
    this.#waiting.set(job.seq, job)
    if (isSuspect(job)) this.#suspects.set(job.id, job)
    else if (job.due <= this.#options.clock.now()) this.#ready.push(job)
    else this.#later.push(job)
  }

  #leave(seq: number): void {
    const job = this.#waiting.get(seq)
    if (job === undefined) return
    this.#waiting.delete(seq)
    this.#suspects.delete(job.id)
  }

  /** Entries that have left are passed over. */
  #first(queue: TinyQueue<Job>): Job | undefined {
    for (;;) {
      const job = queue.peek()
      if (job === undefined || this.#waiting.get(job.seq) === job) return job
      queue.pop()
    }
  }
}
