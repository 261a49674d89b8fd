/**
 * Hands out the jobs that runs wait for, where so many wait in a worker that nothing else is begun there: without them none
 * of those would go on. They may be far from their turn, so they are looked up by their ids, those of the latest wait
 * first: what is waited for deep down lets the others end.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { isSuspect, type Job } from '../model/job.ts'

export interface AwaitedOptions {
  readonly clock: Clock
  readonly find: (id: string) => Promise<Job | undefined>
  /** The jobs that runs wait for, those of the latest wait last. */
  readonly ids: () => string[]
  /** Whether a run waits for a job. */
  readonly has: (id: string) => boolean
  /** How many of them can be handed to workers that get no others; nothing where there is no such worker. */
  readonly room: () => number | undefined
  /** Makes a job busy. @returns it as it is then; nothing where it is busy already */
  readonly acquire: (job: Job) => Promise<Job | undefined>
  /** It is queued as before. */
  readonly back: (job: Job) => void
  /** It is not queued any more. */
  readonly forget: (job: Job) => void
  /** @returns those for which there was no room */
  readonly hand: (jobs: readonly Job[]) => readonly Job[]
  readonly unreadable: (error: Error) => void
}

/** Jobs that are looked up in one turn of the event loop, 20 µs a look, and are in nobody's hands meanwhile. */
const A_TURN = 20
/** How often all are looked up again, ms: those that have become due, or are held no more. */
const AGAIN = 2000

export class Awaited {
  readonly #options: AwaitedOptions
  /** Those that are to be looked up, the next last; nothing while there is no worker that gets no others. */
  #unseen: string[] | undefined
  #isLooking = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: AwaitedOptions) {
    this.#options = options
  }

  /** Runs wait for these, too. */
  add(ids: readonly string[]): void {
    if (this.#unseen !== undefined) for (const id of ids) this.#unseen.push(id)
  }

  /** These are queued now. */
  queued(jobs: readonly Job[]): void {
    if (this.#unseen !== undefined)
      for (const { id } of jobs) if (this.#options.has(id)) this.#unseen.push(id)
  }

  /** There may be room, or something to hand out. */
  feed(): void {
    const room = this.#options.room()
    if (room === undefined) {
      this.#unseen = undefined
      return
    }
    this.#unseen ??= this.#options.ids()
    this.#timer ??= setTimeout(() => this.#again(), AGAIN)
    if (room > 0 && !this.#isLooking) void this.#look()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #again(): void {
    this.#timer = undefined
    this.#unseen = undefined
    this.feed()
  }

  async #look(): Promise<void> {
    this.#isLooking = true
    for (let room = this.#room; room > 0; room = this.#room) {
      const jobs: Job[] = []
      for (let looks = 0; looks < A_TURN && jobs.length < room; looks++) {
        const id = this.#unseen?.pop()
        const job = id === undefined ? undefined : await this.#claim(id)
        if (job !== undefined) jobs.push(job)
      }
      for (const job of this.#options.hand(jobs)) this.#options.back(job)
      await turn()
    }
    this.#isLooking = false
  }

  /** For how many of those that are to be looked up there is room. */
  get #room(): number {
    return this.#unseen === undefined || this.#unseen.length === 0 ? 0 : (this.#options.room() ?? 0)
  }

  /** @returns a job that may begin now; it is busy from now on */
  async #claim(id: string): Promise<Job | undefined> {
    const { find, acquire, back, forget, unreadable } = this.#options
    try {
      const job = await find(id)
      const mine = job !== undefined && this.#mayBegin(job) ? await acquire(job) : undefined
      if (mine === undefined) return undefined
      // Read once more, now that nobody else can change it.
      const still = await find(id).catch((error: unknown) => {
        back(mine)
        throw error
      })
      // Who waits may be about to ask for its result, and it would be gone by then.
      if (still !== undefined && still.claim === mine.claim && this.#mayBegin(still))
        return { ...still, awaited: still.awaited ?? this.#options.clock.now() }
      if (still?.state === 'queued') back(still)
      else forget(still ?? mine)
    } catch (error) {
      unreadable(error as Error)
    }
    return undefined
  }

  /** A suspect has a worker of its own. */
  #mayBegin(job: Job): boolean {
    return job.state === 'queued' && job.due <= this.#options.clock.now() && !isSuspect(job)
  }
}
