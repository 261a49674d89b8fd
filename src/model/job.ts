/**
 * A job, and the one function that changes its state.
 *
 *   insert ─▶ queued ──run──▶ succeeded: the row goes, or is done where its result is kept
 *              ▲  ▲ └─threw, died, retries left─▶ queued, due later
 *              │  │ └─threw, died, none left────▶ failed ──retried──▶ queued, no attempts
 *              │  └───────────freed──────────── held ◀──held── queued
 *              └─released, suspected (cut, not charged)
 *
 * A mark outlives the daemon. It says of a queued job that its run is under way (started; trial, where it is a suspect
 * that runs alone), that it is suspect of having killed a worker or the daemon, or that it is cancelled: then however its
 * run ends, the row goes.
 */
import type { CodeVersion, FailedAttempt, Failure } from './outcome.ts'
import { nextAttempt, type RetryPolicy } from './retry.ts'
import type { RunOptions } from './run-options.ts'

/** The five states that users see; the counts over all jobs add up. */
export const JOB_STATES = ['waiting', 'scheduled', 'running', 'held', 'failed'] as const
export type JobState = (typeof JOB_STATES)[number]

/** The part of the state that is kept in the row; waiting and scheduled follow from the clock, running from the master. */
export const STORED_STATES = ['queued', 'held', 'failed'] as const
export type StoredState = (typeof STORED_STATES)[number]
/** What is done is no job any more: it has succeeded, and its result waits for whoever wants it. */
export type RowState = StoredState | 'done'

/** A job that is retried a thousand times should not grow a thousand stacks. */
const MOST_FAILURES = 10

/** What is known of a job's run and must not die with the daemon. */
export type Mark = 'started' | 'suspect' | 'trial' | 'cancelled'

/** A job as a call makes it. Times are epoch ms. */
export interface NewJob {
  /** UUID, made by the client. */
  readonly id: string
  readonly task: string
  /** Encoded; decoded only by workers and by whoever shows it to a person. */
  readonly args: string
  readonly due: number
  readonly created: number
  /** Of those that are due, which comes first: the greatest. */
  readonly priority: number
  /** Queued, but for a call that is held from the first. */
  readonly state: RowState
  /** Why it is held. */
  readonly reason: string | null
  /** Until when somebody waits for its result, epoch ms: so long its row stays. */
  readonly awaited: number | null
  /** What its call says of its runs, where it says something. */
  readonly options: JobOptions | null
}

/** As they are kept: with the date at which it is too late, which is known when the job comes. The priority has its own field. */
export interface JobOptions extends Omit<RunOptions, 'expiresIn' | 'priority'> {
  /** After it the job begins no more, epoch ms. */
  readonly expiresAt?: number
}

export interface Job extends NewJob {
  /** Arrival, counted by the database: decides among jobs that are due at the same time. */
  readonly seq: number
  /** Charged runs. */
  readonly attempts: number
  /** The last failure. */
  readonly failure: Failure | null
  /** The latest failures, the last one among them, in their order. */
  readonly failures: readonly FailedAttempt[]
  /** When the last retry had failed, else null. */
  readonly failedAt: number | null
  readonly mark: Mark | null
  /** Of one that is done: what its task returned, encoded. */
  readonly result: string | null
  /** When the row of one that is done, or has failed, goes, epoch ms. */
  readonly expires: number | null
  /** Of one that is done: until when its result is kept, epoch ms, whoever has it already. */
  readonly kept: number | null
  /** Where daemons share a database: by which claim this one has it in hand. Null where it has not. */
  readonly claim: number | null
}

/** What a job takes beside its texts: an id, dates, and their names. */
const FRAME = 250

/** @returns about how many characters a job is, kept in memory or told */
export const sizeOf = ({ task, args, reason, failure, failures }: Job): number =>
  FRAME +
  task.length +
  args.length +
  (reason?.length ?? 0) +
  lengthOf(failure) +
  failures.reduce((sum, one) => sum + lengthOf(one.failure), 0)

const lengthOf = (failure: Failure | null | undefined): number =>
  failure ? failure.name.length + failure.message.length + failure.stack.length + lengthOf(failure.cause) : 0

/** What a run that is charged leaves behind. */
interface Charge {
  readonly failure: Failure
  readonly policy: RetryPolicy
  readonly code?: CodeVersion
  /** The task says that another run would be in vain. */
  readonly final?: boolean
}

export type JobEvent =
  /** With what the task returned, encoded, where somebody wanted it, and how long that is kept, ms. */
  | { readonly kind: 'succeeded'; readonly result?: string; readonly keep?: number }
  /** The task asks for another run in so many seconds, which costs no attempt. */
  | { readonly kind: 'postponed'; readonly seconds: number }
  /** It has not begun in time. */
  | { readonly kind: 'expired'; readonly failure: Failure; readonly keep?: number | undefined }
  | ({ readonly kind: 'threw' } & Charge)
  /** The run was alone in a worker, or marked alone in a daemon, that died. */
  | ({ readonly kind: 'died' } & Charge)
  /** The run was cut by something that is not its fault; or had not begun. */
  | { readonly kind: 'released'; readonly begun?: boolean }
  /** The run was one of several in a worker or a daemon that died: nobody can say yet which of them killed it. */
  | { readonly kind: 'suspected' }
  /** The run has been under way for a while, or is about to begin as a suspect's. */
  | { readonly kind: 'started' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'held'; readonly reason: string }
  | { readonly kind: 'freed' }
  /** The database does not take what became of it. */
  | { readonly kind: 'unstorable'; readonly failure: Failure }
  | { readonly kind: 'retried' }

/**
 * The one function that changes a job's state. (What commands do to many rows at once, the store does in SQL: its
 * conformance tests hold `retryFailed` and `free` against this.)
 *
 * @param now epoch ms
 * @returns the job as it is to be kept, or `undefined` where its row goes
 */
export const settle = (job: Job, event: JobEvent, now: number): Job | undefined => {
  if (event.kind === 'unstorable') return fail({ ...job, mark: null }, event.failure, now)
  if (job.mark === 'cancelled')
    return event.kind === 'started' || event.kind === 'cancelled' ? job : undefined
  switch (event.kind) {
    case 'succeeded':
      return event.result === undefined ? undefined : done(job, event.result, event.keep ?? 0, now)
    case 'threw':
      return charge({ ...job, mark: null }, event, now)
    case 'died': {
      const charged = charge({ ...job, mark: null }, event, now)
      // What killed one worker may kill the next: its retry has no neighbours.
      return charged.state === 'queued' ? { ...charged, mark: 'suspect' } : charged
    }
    case 'postponed':
      return { ...begun(job), mark: null, due: now + Math.round(event.seconds * 1000) }
    case 'expired':
      return fail({ ...job, mark: null }, event.failure, now, undefined, event.keep)
    case 'released':
      return withMark(event.begun === true ? begun(job) : job, isSuspect(job) ? 'suspect' : null)
    case 'suspected':
      return withMark(begun(job), 'suspect')
    case 'started':
      return withMark(begun(job), isSuspect(job) ? 'trial' : 'started')
    case 'cancelled':
      return withMark(job, 'cancelled')
    case 'held':
      return { ...job, state: 'held', reason: event.reason, mark: null }
    case 'freed':
      return job.state === 'held' ? { ...job, state: 'queued', reason: null } : job
    case 'retried':
      return job.state === 'failed'
        ? { ...begun(job), state: 'queued', attempts: 0, due: now, failedAt: null, expires: null }
        : job
  }
}

/** @returns whether it must run alone. */
export const isSuspect = ({ mark }: Job): boolean => mark === 'suspect' || mark === 'trial'

/** Which suspects may run: all, or those of some ids, or those that fit. */
export interface SuspectChoice {
  readonly only?: readonly string[]
  readonly fits?: (job: Job) => boolean
}

/** @returns how many characters its texts have, about: what makes one job larger than another */
export const weightOf = ({ args, failures }: Job): number =>
  failures.reduce((sum, { failure }) => sum + lengthOf(failure), args.length)

/** @returns the record of a job that has succeeded and whose result somebody wants */
const done = (job: Job, result: string, keep: number, now: number): Job => {
  const kept = keep > 0 ? now + keep : null
  const { awaited } = job
  const expires = kept !== null && awaited === null ? kept : Math.max(awaited ?? 0, kept ?? 0, now + ARRIVAL)
  return { ...job, state: 'done', mark: null, result, expires, kept }
}

/** How long a result that somebody wanted stays in any case, ms: he may not have it yet, whatever the clock says. */
const ARRIVAL = 5000

/** @returns the job, for which it is no longer too late: it has begun in time */
const begun = (job: Job): Job => {
  if (job.options?.expiresAt === undefined) return job
  const { expiresAt: _, ...options } = job.options
  return { ...job, options: Object.keys(options).length === 0 ? null : options }
}

const withMark = (job: Job, mark: Mark | null): Job => (job.mark === mark ? job : { ...job, mark })

const charge = (job: Job, { failure, policy, code, final }: Charge, now: number): Job => {
  const attempts = job.attempts + 1
  const due = final === true ? undefined : nextAttempt(attempts, policy, now)
  if (due === undefined) return fail({ ...begun(job), attempts }, failure, now, code, policy.keepFailed)
  return { ...begun(job), attempts, due, ...lastly(job, failure, now, code) }
}

const fail = (job: Job, failure: Failure, now: number, code?: CodeVersion, keep?: number): Job => ({
  ...job,
  ...lastly(job, failure, now, code),
  state: 'failed',
  failedAt: now,
  // Who waits is told, though this daemon may die before.
  expires: keep === undefined ? null : Math.max(job.awaited ?? 0, now + Math.round(keep * 1000)),
})

const lastly = (
  { failures }: Job,
  failure: Failure,
  now: number,
  code?: CodeVersion,
): Pick<Job, 'failure' | 'failures'> => ({
  failure,
  failures: [...failures, { at: now, failure, ...(code && { code }) }].slice(-MOST_FAILURES),
})

/** @returns which of the five states a job is in, or that it is none any more. */
export const stateOf = (job: Job, running: boolean, now: number): JobState | 'succeeded' => {
  if (running) return 'running'
  if (job.state === 'done') return 'succeeded'
  if (job.state !== 'queued') return job.state
  return job.due <= now ? 'waiting' : 'scheduled'
}

/** Where a job stands among those of its priority: when it is due, and among those that are due then, when it arrived. */
export type Due = Pick<Job, 'due' | 'seq'>
/** When a job's turn is. */
export type Turn = Pick<Job, 'priority' | 'due' | 'seq'>

export const byDue = (a: Due, b: Due): number => a.due - b.due || a.seq - b.seq
/** The order in which jobs run that are due. */
export const byTurn = (a: Turn, b: Turn): number => b.priority - a.priority || byDue(a, b)
