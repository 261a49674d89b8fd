/** When to reload: what changed is gathered, one reload goes at a time, and the newest change wins. */
import { DaemonError } from '../../model/errors.ts'

export interface ReloadsOptions {
  /** An editor's save is several events: what comes within this belongs together, ms. */
  readonly settle: number
  /**
   * Does what changes ask for; one at a time.
   *
   * @param files what changed since the last one that ended, absolute
   * @param asked whether somebody waits for it, whatever has changed
   * @param signal aborts where something has changed again: what this one brings is old already
   */
  readonly renew: (files: readonly string[], asked: boolean, signal: AbortSignal) => Promise<void>
  /** Whether a change of this file makes what is under way old; others wait until it has ended. Any, where absent. */
  readonly matters?: (file: string) => boolean
  /** Told of each that failed and was not given up. */
  readonly failed: (error: Error) => void
}

/** So many files at once are no save by hand: a checkout writes thousands, and pauses in between. */
const MANY = 20
/** For those, ms. */
const SETTLE_MANY = 150
/** Whatever goes on changing, ms. */
const LONGEST_SETTLE = 1000

export class Reloads {
  readonly #options: ReloadsOptions
  #timer: NodeJS.Timeout | undefined
  #current: AbortController | undefined
  #stopped = false
  readonly #files = new Set<string>()
  /** When the first of them was noticed, on the monotonic clock. */
  #since = 0
  #waiters: PromiseWithResolvers<void>[] = []

  constructor(options: ReloadsOptions) {
    this.#options = options
  }

  notice(file: string): void {
    if (this.#stopped) return
    const now = performance.now()
    if (this.#files.size === 0) this.#since = now
    this.#files.add(file)
    const { settle } = this.#options
    clearTimeout(this.#timer)
    const pause = this.#files.size < MANY ? settle : Math.max(settle, SETTLE_MANY)
    this.#timer = setTimeout(
      () => this.#begin(),
      Math.max(0, Math.min(pause, this.#since + LONGEST_SETTLE - now)),
    )
  }

  /** Resolves when a reload that begins now has ended well, or a later one that took its place. */
  now(): Promise<void> {
    if (this.#stopped) return Promise.reject(ending())
    const waiter = Promise.withResolvers<void>()
    this.#waiters.push(waiter)
    this.#begin()
    return waiter.promise
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#current?.abort(ending())
    for (const { reject } of this.#waiters.splice(0)) reject(ending())
  }

  #begin(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { matters = () => true } = this.#options
    if (this.#current === undefined) void this.#run()
    else if (this.#waiters.length > 0 || [...this.#files].some(matters)) this.#current.abort()
  }

  async #run(): Promise<void> {
    const { matters = () => true } = this.#options
    // Where more has come the timer begins the next: what is half saved is left alone.
    while (
      !this.#stopped &&
      this.#timer === undefined &&
      (this.#files.size > 0 || this.#waiters.length > 0)
    ) {
      const files = [...this.#files]
      const waiters = this.#waiters
      this.#files.clear()
      this.#waiters = []
      const current = new AbortController()
      this.#current = current
      try {
        await this.#options.renew(files, waiters.length > 0, current.signal)
        for (const { resolve } of waiters) resolve()
      } catch (error) {
        // Perhaps it is what has come meanwhile that it lacked.
        if (current.signal.aborted || [...this.#files].some(matters)) {
          // What it was for is part of the next.
          for (const file of files) this.#files.add(file)
          this.#waiters.unshift(...waiters)
        } else {
          this.#options.failed(error as Error)
          for (const { reject } of waiters) reject(error)
        }
      }
    }
    this.#current = undefined
    if (this.#stopped) for (const { reject } of this.#waiters.splice(0)) reject(ending())
  }
}

const ending = (): DaemonError => new DaemonError('The daemon is ending: it reloads no code.')
