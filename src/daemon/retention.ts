/** Records of jobs that have ended go when their time has come, a few at a time: nobody notices. Where there are none nothing is asked. */
import { setTimeout as pause } from 'node:timers/promises'
import { Alarm, type Clock } from '../clock.ts'
import type { Store } from '../store/store.ts'

export interface RetentionOptions {
  readonly store: Pick<Store, 'removeExpired' | 'nextExpiry'>
  readonly clock: Clock
  readonly failed: (error: Error) => void
}

/** Rows of one statement: 1.5 ms. */
const A_BATCH = 200
/** Between two of them at first, ms: calls beside it lose 3%, and 12% with 500 rows each 10 ms (npm run bench:results). */
const PAUSE = 20
/** After so long the pause is halved, and so on, ms: where more expire than go, it has to keep up. */
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

  async #removeAll(): Promise<void> {
    const { store, clock } = this.#options
    const since = clock.monotonic()
    while ((await store.removeExpired(clock.now(), A_BATCH)) === A_BATCH) {
      await pause(PAUSE / 2 ** Math.floor((clock.monotonic() - since) / PATIENCE))
      if (this.#stopped) return
    }
    const next = this.#stopped ? undefined : await store.nextExpiry()
    if (next !== undefined) this.expires(next)
  }
}
