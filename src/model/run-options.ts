/** What a task, or a call of one, may say of its runs. Durations are seconds. */

/** Pauses that grow: `first`, then twice as long each time. */
export interface Backoff {
  readonly backoff: 'exponential'
  /** The first pause, seconds. */
  readonly first: number
  /** The longest, seconds; a day where none is given. */
  readonly most?: number
  /** By which part a pause is longer or shorter at random, 0 to 1, but never longer than `most`: those that failed together do not come back together. */
  readonly jitter?: number
}

/** Seconds before each retry; those before the first, the second, …, the last of them for all that follow; or growing ones. */
export type RetryPause = number | readonly number[] | Backoff

/** Options that a task gives to all its jobs, and a call, by `with`, to its own. */
export interface RunOptions {
  /** Retries after the first run; the setting `retryCount` where none is given. */
  readonly retryCount?: number
  /**
   * Seconds between attempts: a number; a list, of which the last goes on; or growing ones,
   * `{ backoff: 'exponential', first: 1, most: 3600, jitter: 0.2 }`. The setting `retryAfter` where none are given.
   */
  readonly retryAfter?: RetryPause
  /**
   * Seconds that a run may take; without it as long as it likes. Then its signal (`currentJob().signal`) aborts, and
   * where it has not ended after the daemon's `--kill-grace`, its worker is killed.
   */
  readonly timeout?: number
  /**
   * Of jobs that are due those with a greater one begin first: a whole number from −10 to 10, 0 where none is given. It is
   * that of the moment of the call.
   */
  readonly priority?: number
  /** Seconds after the moment for which it was called, after which a job that has not begun is failed and does not run: nobody wants it any more. */
  readonly expiresIn?: number
  /** Seconds that what the task returned is kept, for `getJob(id).result()`; none where it is not given. */
  readonly keepResult?: number
  /** Seconds that a job that has failed is kept; until it is deleted where none are given. */
  readonly keepFailed?: number
}

/** The names of what a call may say. */
export const RUN_OPTIONS = [
  'retryCount',
  'retryAfter',
  'timeout',
  'priority',
  'expiresIn',
  'keepResult',
  'keepFailed',
] as const satisfies readonly (keyof RunOptions)[]

const A_DAY = 86_400

/**
 * @param attempts charged runs so far, the one that just failed included
 * @param random from 0 to 1
 * @returns the pause before the next, seconds
 */
export const pauseAfter = (pause: RetryPause, attempts: number, random: number): number => {
  if (typeof pause === 'number') return pause
  if ('backoff' in pause) {
    const { first, most = A_DAY, jitter = 0 } = pause
    // Beyond 2^60 it is longer than any pause may be.
    const grown = Math.min(first * 2 ** Math.min(attempts - 1, 60), most)
    return Math.min(grown * (1 + jitter * (2 * random - 1)), most)
  }
  return pause[Math.min(attempts, pause.length) - 1] ?? 0
}
