/**
 * A job, and the one function that changes its state.
 *
 *   insert ─▶ queued ──run──▶ succeeded: the row goes
 *              ▲  ▲ └─threw, retries left─▶ queued, due later
 *              │  │ └─threw, none left────▶ failed ──retried──▶ queued, no attempts
 *              │  └─────────freed───────── held ◀──held── queued
 *              └─released (cut, not charged)
 */
import type { Failure } from './outcome.ts'
import { nextAttempt, type RetryPolicy } from './retry.ts'

/** The five states that users see; the counts over all jobs add up. */
export const JOB_STATES = ['waiting', 'scheduled', 'running', 'held', 'failed'] as const
export type JobState = (typeof JOB_STATES)[number]

/** The part of the state that is kept in the row; waiting and scheduled follow from the clock, running from the master. */
export const STORED_STATES = ['queued', 'held', 'failed'] as const
export type StoredState = (typeof STORED_STATES)[number]

/** A job as a call makes it. Times are epoch ms. */
export interface NewJob {
  /** UUID, made by the client. */
  readonly id: string
  readonly task: string
  /** Encoded; decoded only by workers and by whoever shows it to a person. */
  readonly args: string
  readonly due: number
  readonly created: number
  /** Queued, but for a call that is held from the first. */
  readonly state: StoredState
  /** Why it is held. */
  readonly reason: string | null
}

export interface Job extends NewJob {
  /** Arrival, counted by the database: decides among jobs that are due at the same time. */
  readonly seq: number
  /** Charged runs. */
  readonly attempts: number
  /** The last failure. */
  readonly failure: Failure | null
  /** When the last retry had failed, else null. */
  readonly failedAt: number | null
}

export type JobEvent =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'threw'; readonly failure: Failure; readonly policy: RetryPolicy }
  /** The run was cut by something that is not its fault. */
  | { readonly kind: 'released' }
  | { readonly kind: 'held'; readonly reason: string }
  | { readonly kind: 'freed' }
  | { readonly kind: 'retried' }

/**
 * The one function that changes a job's state. (What commands do to many rows at once, the store does in SQL: its
 * conformance tests hold `retryFailed` and `free` against this.)
 *
 * @param now epoch ms
 * @returns the job as it is to be kept, or `undefined` where its row goes
 */
export const settle = (job: Job, event: JobEvent, now: number): Job | undefined => {
  switch (event.kind) {
    case 'succeeded':
      return undefined
    case 'threw':
      return charge(job, event.failure, event.policy, now)
    case 'released':
      return job
    case 'held':
      return { ...job, state: 'held', reason: event.reason }
    case 'freed':
      return job.state === 'held' ? { ...job, state: 'queued', reason: null } : job
    case 'retried':
      return job.state === 'failed' ? { ...job, state: 'queued', attempts: 0, due: now, failedAt: null } : job
  }
}

const charge = (job: Job, failure: Failure, policy: RetryPolicy, now: number): Job => {
  const attempts = job.attempts + 1
  const due = nextAttempt(attempts, policy, now)
  if (due === undefined) return { ...job, attempts, failure, state: 'failed', failedAt: now }
  return { ...job, attempts, failure, due }
}

/** @returns which of the five states a job is in. */
export const stateOf = (job: Job, running: boolean, now: number): JobState => {
  if (running) return 'running'
  if (job.state !== 'queued') return job.state
  return job.due <= now ? 'waiting' : 'scheduled'
}

/** The order in which jobs run: due, then arrival. */
export const byTurn = (a: Job, b: Job): number => a.due - b.due || a.seq - b.seq
