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
  /** Writes down that a job is awaited until then, epoch ms, where it has not ended. */
  readonly keep: (job: Job, until: number) => void
  /** Nobody waits any more for a job that is done. */
  readonly forget: (job: Job) => void
  readonly unreadable: (error: Error) => void
}

/** Endings of one message, and about how many characters they take. */
const MOST_TOLD = 1000
const TOLD_SIZE = 2 ** 18
/** How often waits are looked through for those that are over, ms. */
const SWEEP = 5000
/** Jobs that are looked up in one turn of the event loop: 20 µs each. */
const A_TURN = 100

/** What has been told and not been seen. */
interface Unseen {
  /** Without its texts. */
  readonly job: Job
  readonly clients: Set<string>
}

export class Results {
  readonly #options: ResultsOptions
  readonly #waits = new Interest()
  readonly #unseen = new Map<string, Unseen>()
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

  async #look(id: string, until: number): Promise<void> {
    const job = await this.#options.find(id)
    // It may have been told meanwhile.
    if (!this.#waits.has(id)) return
    if (job === undefined) this.#end(id, { kind: 'gone' })
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
    for (const id of ids) {
      const unseen = this.#unseen.get(id)
      if (unseen === undefined) continue
      unseen.clients.delete(client.toString('hex'))
      if (unseen.clients.size > 0 || this.#waits.has(id)) continue
      this.#unseen.delete(id)
      const { kept } = unseen.job
      if (kept === null || kept <= this.#options.clock.now()) this.#options.forget(unseen.job)
    }
  }

  stop(): void {
    this.#sweeper.stop()
  }

  #remember(job: Job, clients: Iterable<string>): void {
    const slim = { ...job, args: '', result: null, failure: null, failures: [] }
    const unseen = this.#unseen.get(job.id) ?? { job: slim, clients: new Set() }
    this.#unseen.set(job.id, unseen)
    for (const client of clients) unseen.clients.add(client)
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
    for (const [id, { job }] of this.#unseen) if ((job.expires ?? 0) < now) this.#unseen.delete(id)
    return this.#waits.size > 0 || this.#unseen.size > 0
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
