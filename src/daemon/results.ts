/**
 * Who waits for which jobs, and what they are told. How a job has ended is pushed when that is on disk; a result stays there
 * until all who waited have said that it arrived, or have had their time: so a daemon that dies loses none, and who still
 * waits asks the next one, which keeps what it found until that time.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type Clock, Sweeper } from '../clock.ts'
import type { Job } from '../model/job.ts'
import type { Ending } from '../model/outcome.ts'
import { Interest } from '../wire/interest.ts'
import type { Awaited } from '../wire/protocol.ts'

/** A connection, by which ZeroMQ knows it. */
export type Client = Buffer

/** What a client is told of a job. */
export type Told = readonly [id: string, Ending]

export interface ResultsOptions {
  readonly clock: Clock
  readonly tell: (client: Client, jobs: readonly Told[]) => void
  readonly find: (id: string) => Promise<Job | undefined>
  /** Whether a job that is gone was cancelled, as far as that is known. */
  readonly wasCancelled: (id: string) => boolean
  /** Writes down that a job is awaited until then, epoch ms, where it has not ended. */
  readonly keep: (job: Job, until: number) => void
  /** Nobody waits any more for a job that is done. */
  readonly forget: (job: Job) => void
  readonly unreadable: (error: Error) => void
}

/** Endings of one message, and about how many characters they take. */
const MOST_TOLD = 1000
const TOLD_SIZE = 2 ** 18
/** Endings that are told and may not have arrived, each about 1 KB. A client that lives says so at once. */
const MOST_UNSEEN = 50_000
/** How often waits are looked through for those that are over, ms. */
const SWEEP = 5000
/** Jobs that are looked up in one turn of the event loop: 20 µs each. */
const A_TURN = 100

export class Results {
  readonly #options: ResultsOptions
  readonly #waits = new Interest()
  /** Who has been told of a job that is done, and has not said that it arrived. */
  readonly #unseen = new Interest(MOST_UNSEEN)
  /** Those jobs, without their texts. */
  readonly #told = new Map<string, Job>()
  /** What goes out in this turn of the event loop. */
  readonly #out = new Map<string, Told[]>()
  #asking = Promise.resolve()
  readonly #sweeper = new Sweeper(SWEEP, () => this.#sweep())
  /** Who has asked for older jobs may have asked a daemon before this one, and not found this one yet. */
  readonly #since: number

  constructor(options: ResultsOptions) {
    this.#options = options
    this.#since = options.clock.now()
  }

  /** A client waits, until then, for a job that it has just sent. */
  wait(client: Client, id: string, until: number): void {
    const key = client.toString('hex')
    // Where there is no room for it the client asks again.
    if (!this.#waits.add(id, key, until)) return
    this.#sweeper.wake()
  }

  /** What a client has sent is not stored: it waits for none of these. */
  withdraw(client: Client, ids: readonly string[]): void {
    const key = client.toString('hex')
    for (const id of ids) this.#waits.remove(id, key)
  }

  /** A client asks how jobs end, whatever has become of them: one such message after the other. */
  ask(client: Client, jobs: readonly Awaited[]): Promise<void> {
    const now = this.#options.clock.now()
    this.#asking = this.#asking.then(() => this.#ask(client, jobs, now))
    return this.#asking
  }

  async #ask(client: Client, jobs: readonly Awaited[], now: number): Promise<void> {
    const until = (wait: number): number => Math.ceil(now + wait)
    for (const [id, wait] of jobs) this.wait(client, id, until(wait))
    try {
      for (const [at, [id, wait]] of jobs.entries()) {
        if (at % A_TURN === A_TURN - 1) await turn()
        await this.#look(id, until(wait))
      }
    } catch (error) {
      // They ask again; those that end are told.
      this.#options.unreadable(error as Error)
    }
  }

  /** Whether somebody waits for a job. */
  has(id: string): boolean {
    return this.#waits.has(id)
  }

  /** A job may have ended. */
  look(id: string): void {
    if (this.has(id)) this.#look(id, 0).catch((error: Error) => this.#options.unreadable(error))
  }

  async #look(id: string, until: number): Promise<void> {
    const job = await this.#options.find(id)
    // It may have been told meanwhile.
    if (!this.#waits.has(id)) return
    if (job === undefined) this.#end(id, { kind: this.#options.wasCancelled(id) ? 'cancelled' : 'gone' })
    else if (job.state === 'done' || job.state === 'failed') this.ended(job, job)
    else if ((job.awaited ?? 0) < until) this.#options.keep(job, until)
  }

  /** How a job goes on is on disk. */
  ended(job: Job, next: Job | undefined): void {
    if (this.#waits.size === 0 || next?.state === 'queued' || next?.state === 'held') return
    if (!this.#waits.has(job.id)) return
    if (next?.state === 'done' && next.created >= this.#since) this.#remember(next, this.#waits.of(job.id))
    this.#end(job.id, endingOf(job, next))
  }

  /** What a client was told has arrived. */
  seen(client: Client, ids: readonly string[]): void {
    const key = client.toString('hex')
    for (const id of ids) {
      const job = this.#told.get(id)
      if (job === undefined) continue
      this.#unseen.remove(id, key)
      if (this.#unseen.has(id) || this.#waits.has(id)) continue
      this.#told.delete(id)
      if (job.kept === null || job.kept <= this.#options.clock.now()) this.#options.forget(job)
    }
  }

  stop(): void {
    this.#sweeper.stop()
  }

  #remember(job: Job, clients: Iterable<string>): void {
    this.#told.set(job.id, { ...job, args: '', result: null, failure: null, failures: [] })
    for (const client of clients) {
      if (this.#unseen.add(job.id, client, job.expires ?? 0)) continue
      // Too many do not say so: the row stays until it expires.
      this.#unseen.take(job.id)
      this.#told.delete(job.id)
      return
    }
  }

  #end(id: string, ending: Ending): void {
    for (const client of this.#waits.take(id)) this.#tell(client, [id, ending])
  }

  #tell(client: string, told: Told): void {
    const jobs = this.#out.get(client)
    if (jobs !== undefined) return void jobs.push(told)
    if (this.#out.size === 0) setImmediate(() => this.#flush())
    this.#out.set(client, [told])
  }

  #flush(): void {
    const out = [...this.#out]
    this.#out.clear()
    for (const [client, jobs] of out)
      for (const part of parts(jobs)) this.#options.tell(Buffer.from(client, 'hex'), part)
  }

  #sweep(): boolean {
    const now = this.#options.clock.now()
    this.#waits.sweep(now)
    this.#unseen.sweep(now)
    for (const id of this.#told.keys()) if (!this.#unseen.has(id)) this.#told.delete(id)
    return this.#waits.size > 0 || this.#told.size > 0
  }
}

/** @returns what is told of a job that has ended */
export const endingOf = (job: Job, next: Job | undefined): Ending => {
  if (next?.state === 'done' && next.result !== null) return { kind: 'succeeded', result: next.result }
  if (next?.failure != null) return { kind: 'failed', failure: next.failure, attempts: next.attempts }
  return { kind: job.mark === 'cancelled' ? 'cancelled' : 'gone' }
}

/** So that no message is large, and what one client does not read stays little. */
const parts = (jobs: readonly Told[]): readonly (readonly Told[])[] => {
  const found: Told[][] = []
  let part: Told[] = []
  let size = 0
  for (const told of jobs) {
    const more = sizeOf(told[1])
    if (part.length === 0 || part.length >= MOST_TOLD || size + more > TOLD_SIZE) {
      part = []
      size = 0
      found.push(part)
    }
    part.push(told)
    size += more
  }
  return found
}

const sizeOf = (ending: Ending): number => {
  if (ending.kind === 'succeeded') return ending.result.length
  return ending.kind === 'failed' ? JSON.stringify(ending.failure).length : 0
}
