/** How far the jobs that run are, as their tasks say, and who watches them. It is kept in memory alone. */
import { setImmediate as turn } from 'node:timers/promises'
import { type Clock, Sweeper } from '../clock.ts'
import type { Job } from '../model/job.ts'
import type { Progress } from '../model/progress.ts'
import { Interest } from '../wire/interest.ts'
import type { Awaited, Watched } from '../wire/protocol.ts'

export interface ProgressesOptions {
  readonly clock: Clock
  readonly tell: (client: Buffer, jobs: readonly Watched[]) => void
  readonly find: (id: string) => Promise<Job | undefined>
  readonly unreadable: (error: Error) => void
}

/** How often watches are looked through for those that are over, ms. */
const SWEEP = 5000
/** Jobs that are looked up in one turn of the event loop: 20 µs each. */
const A_TURN = 100

export class Progresses {
  readonly #options: ProgressesOptions
  readonly #watches = new Interest()
  /** Of those that run, by job. */
  readonly #latest = new Map<string, Progress>()
  readonly #sweeper = new Sweeper(SWEEP, () => this.#sweep())
  #asking = Promise.resolve()

  constructor(options: ProgressesOptions) {
    this.#options = options
  }

  /** @returns how far a job is that runs, where its task has said so */
  of(id: string): Progress | undefined {
    return this.#latest.get(id)
  }

  /** Tells a client from now on, for so long (ms), how far jobs are, and how far they are now: one such message after the other. */
  watch(client: Buffer, jobs: readonly Awaited[]): Promise<void> {
    this.#asking = this.#asking.then(() => this.#watch(client, jobs))
    return this.#asking
  }

  async #watch(client: Buffer, jobs: readonly Awaited[]): Promise<void> {
    const key = client.toString('hex')
    const now = this.#options.clock.now()
    const over: Watched[] = []
    const watched: string[] = []
    for (const [at, [id, wait]] of jobs.entries()) {
      if (at % A_TURN === A_TURN - 1) await turn()
      if (wait === 0) this.#watches.remove(id, key)
      else {
        // Before it is looked up: it may end meanwhile.
        const hasRoom = this.#watches.add(id, key, now + wait)
        if (await this.#isOver(id)) {
          this.#watches.remove(id, key)
          over.push([id, null])
        } else if (hasRoom) watched.push(id)
      }
    }
    // How far they are by now: that of some has been told meanwhile.
    const told = [...over, ...watched.map((id) => watchedOf(id, this.#latest.get(id)))]
    if (told.length > 0) this.#options.tell(client, told)
    if (this.#watches.size > 0) this.#sweeper.wake()
  }

  /** Tasks say how far their jobs are. */
  say(said: readonly (readonly [Job, Progress])[]): void {
    const told = new Map<string, Watched[]>()
    for (const [{ id }, progress] of said) {
      this.#latest.set(id, progress)
      for (const client of this.#watches.of(id)) push(told, client, watchedOf(id, progress))
    }
    for (const [client, jobs] of told) this.#options.tell(Buffer.from(client, 'hex'), jobs)
  }

  /** A run is over: its job begins anew, where it does. */
  runEnded({ id }: Job): void {
    if (this.#latest.size > 0) this.#latest.delete(id)
  }

  /** A job is over. */
  ended({ id }: Job): void {
    if (this.#watches.size === 0 || !this.#watches.has(id)) return
    for (const client of this.#watches.take(id)) this.#options.tell(Buffer.from(client, 'hex'), [[id, null]])
  }

  stop(): void {
    this.#sweeper.stop()
  }

  async #isOver(id: string): Promise<boolean> {
    if (this.#latest.has(id)) return false
    try {
      const job = await this.#options.find(id)
      return job === undefined || job.state === 'done' || job.state === 'failed'
    } catch (error) {
      this.#options.unreadable(error as Error)
      return false
    }
  }

  #sweep(): boolean {
    this.#watches.sweep(this.#options.clock.now())
    return this.#watches.size > 0
  }
}

const watchedOf = (id: string, progress: Progress | undefined): Watched =>
  progress === undefined ? [id] : [id, progress]

const push = <T>(lists: Map<string, T[]>, key: string, value: T): void => {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
