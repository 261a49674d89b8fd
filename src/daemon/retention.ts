/** Records of jobs that have ended go when their time has come, a few at a time: nobody notices. Where there are none nothing is asked. */
import { Alarm, type Clock } from '../clock.ts'
import type { Store } from '../store/store.ts'

export interface RetentionOptions {
  readonly store: Pick<Store, 'removeExpired' | 'nextExpiry'>
  readonly clock: Clock
  readonly failed: (error: Error) => void
}

/** Rows of one statement: 1 ms where they are small. */
const A_BATCH = 200
/** And bytes of their texts: 1.3 ms where each is 1 MiB, 1.9 where each is 20 KB. 200 rows of 1 MiB took 50. */
const BATCH_BYTES = 2 * 2 ** 20
/** Between two of them, ms: calls beside it lose 3%, and 12% with 500 rows each 10 ms (npm run bench:results). */
const PAUSE = 20
/** The same where more expire than go, ms: 30,000 small ones a second, for a fifth of the master's time. */
const SHORT_PAUSE = 5
/** What takes less than this to remove is nothing to hurry for, ms. */
const PATIENCE = 5000
/** How long after a record has expired it may stay, ms: those of a while go together. */
const SLACK = 1000
/** How long a failed one waits before the next, ms. */
const AGAIN = 5000

export class Retention {
  readonly #options: RetentionOptions
  readonly #alarm: Alarm
  /** When the next is looked for, epoch ms. */
  #next: number | undefined
  #removing = false
  /** When those that are removed now had begun to expire, on the monotonic clock; of what a daemon before this one left nobody knows. */
  #since = Number.NEGATIVE_INFINITY
  /** More expire than go. */
  #isBehind = false
  /** It is to be looked again. */
  #again = false
  #stopped = false

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => void this.#remove())
  }

  /** From now on: what has expired since the last daemon goes, too. */
  start(): void {
    void this.#remove()
  }

  /** There is a record that expires then, epoch ms. */
  expires(at: number): void {
    if (this.#next !== undefined && this.#next <= at + SLACK) return
    this.#set(at)
  }

  stop(): void {
    this.#stopped = true
    this.#alarm.stop()
  }

  #set(at: number): void {
    this.#next = at + SLACK
    if (!this.#stopped) this.#alarm.set(this.#next)
  }

  async #remove(): Promise<void> {
    this.#next = undefined
    this.#again = true
    if (this.#removing) return
    this.#removing = true
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false
        await this.#removeAll()
      }
    } catch (error) {
      if (this.#stopped) return
      this.#options.failed(error as Error)
      this.#set(this.#options.clock.now() + AGAIN)
    } finally {
      this.#removing = false
    }
  }

  /** What has expired by now: what does so meanwhile is the next to go. */
  async #removeAll(): Promise<void> {
    const { store, clock } = this.#options
    const now = clock.now()
    const begun = clock.monotonic()
    // They have expired in so long.
    const span = Math.max(begun - this.#since, PATIENCE)
    this.#since = begun
    while ((await store.removeExpired(now, A_BATCH, BATCH_BYTES)) > 0) {
      if (clock.monotonic() - begun > span) this.#isBehind = true
      await pause(this.#isBehind ? SHORT_PAUSE : PAUSE)
      if (this.#stopped) return
    }
    // With longer pauses it would have taken four times as long.
    if (clock.monotonic() - begun < span / 4) this.#isBehind = false
    const next = await store.nextExpiry()
    if (next !== undefined && !this.#stopped) this.expires(next)
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
