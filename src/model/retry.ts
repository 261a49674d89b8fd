/** When a failed job runs again. */

/** What decides about retries: from the task's options, or the settings where it says nothing. */
export interface RetryPolicy {
  /** Retries after the first run. */
  readonly retryCount: number
  /** Seconds until the next attempt. */
  readonly retryAfter: number
  /** Seconds that a job is kept that has failed; until it is deleted, where there are none. */
  readonly keepFailed?: number | undefined
}

/**
 * @param attempts charged runs so far, the one that just failed included
 * @param now epoch ms
 * @returns when the next run is due (epoch ms), or `undefined` where no retry is left
 */
export const nextAttempt = (attempts: number, policy: RetryPolicy, now: number): number | undefined =>
  attempts > policy.retryCount ? undefined : now + Math.round(policy.retryAfter * 1000)
