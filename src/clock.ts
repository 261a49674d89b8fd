/**
 * The time, handed to whoever needs it. Dates are milliseconds since the epoch, as `Date.now()` gives them.
 * B25 was a timer set once and trusted: here an alarm looks at the clock each time it wakes, and a jump of the clock
 * wakes it.
 */

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds that only grow, whatever happens to the date. */
  monotonic(): number
}

/** @returns milliseconds of the host's own clock, which only grows, and is the same in each of its processes */
export const hostMonotonic = (): number => {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

/** setTimeout over 2^31 ms fires at once; an hour is far below and bounds what a missed jump can cost. */
const LONGEST_SLEEP = 3_600_000

/** One timer for the nearest of all due times. */
export class Alarm {
  readonly #clock: Clock
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #at: number | undefined

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** Rings at `at` (epoch ms), or an hour from now if that is sooner; `undefined` silences it. */
  set(at: number | undefined): void {
    if (at === this.#at && this.#timer !== undefined) return
    this.stop()
    if (at === undefined) return
    this.#at = at
    const sleep = Math.min(Math.max(0, at - this.#clock.now()), LONGEST_SLEEP)
    this.#timer = setTimeout(() => {
      this.stop()
      this.#ring()
    }, sleep)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#at = undefined
  }
}

/** Does something now and then for as long as there is reason to. It keeps no process alive. */
export class Sweeper {
  readonly #period: number
  readonly #sweep: () => boolean
  #timer: NodeJS.Timeout | undefined

  /**
   * @param period ms
   * @param sweep tells whether there is reason to do it again
   */
  constructor(period: number, sweep: () => boolean) {
    this.#period = period
    this.#sweep = sweep
  }

  /** There is reason. */
  wake(): void {
    this.#timer ??= setInterval(() => {
      if (!this.#sweep()) this.stop()
    }, this.#period).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** A difference below this is the jitter of a busy event loop and of a clock that is being slewed. */
const JUMP = 200

/**
 * Compares the date with the monotonic clock each second, and calls `onJump` with the milliseconds by which the date
 * moved on its own: a suspend, or a clock that was set.
 *
 * @returns what stops it
 */
export const watchJumps = (clock: Clock, onJump: (by: number) => void): (() => void) => {
  let offset = clock.now() - clock.monotonic()
  const timer = setInterval(() => {
    const by = clock.now() - clock.monotonic() - offset
    if (Math.abs(by) < JUMP) return
    offset += by
    onJump(by)
  }, 1000)
  timer.unref()
  return () => clearInterval(timer)
}
