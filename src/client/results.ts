/**
 * The results that this process waits for. The daemon pushes them; it is asked for those of jobs that it may not know to be
 * awaited: once for each connection, and again, ever more rarely, should an answer have been lost.
 */
import type { Clock } from '../clock.ts'
import {
  JobCancelledError,
  JobFailedError,
  ResultGoneError,
  ResultNotSentError,
  ResultTimeoutError,
} from '../model/errors.ts'
import { type Ending, errorOf } from '../model/outcome.ts'
import { decodeResult } from '../wire/codec.ts'
import { type Awaited, MOST_JOBS } from '../wire/protocol.ts'

/** A job that is waited for; its task, where that is known. */
export interface AwaitedJob {
  readonly id: string
  readonly task: string | undefined
}

export interface ResultsOptions {
  readonly clock: Clock
  /** Asks for the results of these. */
  readonly ask: (jobs: readonly Awaited[]) => void
  /** Tells that these have arrived. */
  readonly seen: (ids: readonly string[]) => void
  /** Something is to be sent, in this turn of the event loop. */
  readonly wake: () => void
}

interface Waiter {
  readonly job: AwaitedJob
  /** On the monotonic clock. */
  readonly until: number
  /** ms */
  readonly timeout: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  timer: NodeJS.Timeout | undefined
  /** How long until it is asked again, ms. */
  pause: number
}

/** When an answer that has not come is asked for again, ms; then three times as long each time. */
const ASK_AGAIN = 2000

export class Results {
  readonly #options: ResultsOptions
  readonly #waiters = new Map<string, Set<Waiter>>()
  /** Jobs that are on their way to be stored: nobody can be asked for them yet. */
  readonly #unstored = new Set<string>()
  readonly #unasked = new Set<string>()
  #seen: string[] = []

  constructor(options: ResultsOptions) {
    this.#options = options
  }

  /** How many jobs are waited for. */
  get size(): number {
    return this.#waiters.size
  }

  /**
   * @param timeout ms
   * @param isStored whether the daemon has the job; else `stored` or `failed` tells
   * @returns what the job's task returns
   * @throws JobFailedError, JobCancelledError, ResultGoneError, ResultNotSentError, ResultTimeoutError
   */
  wait(job: AwaitedJob, timeout: number, isStored: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const until = this.#options.clock.monotonic() + timeout
      const waiter: Waiter = { job, until, timeout, resolve, reject, timer: undefined, pause: ASK_AGAIN }
      const waiters = this.#waiters.get(job.id) ?? new Set()
      this.#waiters.set(job.id, waiters.add(waiter))
      if (isStored) this.#askFor(job.id)
      else this.#unstored.add(job.id)
      this.#arm(waiter)
    })
  }

  /**
   * A job that is waited for is on disk.
   *
   * @param isOld whether it may have been there before, and have ended
   */
  stored(id: string, isOld: boolean): void {
    this.#unstored.delete(id)
    if (isOld && this.#waiters.has(id)) this.#askFor(id)
  }

  /** There is no such job, or nobody knows. */
  failed(id: string, error: Error): void {
    for (const { reject } of this.#take(id)) reject(error)
  }

  /** The daemon tells how jobs have ended. */
  told(jobs: readonly (readonly [id: string, Ending])[]): void {
    for (const [id, ending] of jobs) {
      this.#seen.push(id)
      for (const { job, resolve, reject } of this.#take(id)) {
        try {
          resolve(resultOf(job, ending))
        } catch (error) {
          reject(error as Error)
        }
      }
    }
    this.#options.wake()
  }

  /** Another connection, or another daemon: nobody knows there who waits. */
  askAll(): void {
    for (const id of this.#waiters.keys()) if (!this.#unstored.has(id)) this.#unasked.add(id)
  }

  /** Sends what there is to be sent: a daemon answers. */
  flush(): void {
    // After each message that has come, and mostly there is nothing.
    if (this.#unasked.size === 0 && this.#seen.length === 0) return
    const { clock, ask, seen } = this.#options
    const now = clock.monotonic()
    const jobs = [...this.#unasked].flatMap((id): Awaited[] => {
      const until = Math.max(...[...(this.#waiters.get(id) ?? [])].map((waiter) => waiter.until))
      return until > now ? [[id, until - now]] : []
    })
    this.#unasked.clear()
    for (let at = 0; at < jobs.length; at += MOST_JOBS) ask(jobs.slice(at, at + MOST_JOBS))
    const ids = this.#seen
    this.#seen = []
    for (let at = 0; at < ids.length; at += MOST_JOBS) seen(ids.slice(at, at + MOST_JOBS))
  }

  /** Nothing can be heard any more. */
  rejectAll(error: Error): void {
    for (const id of [...this.#waiters.keys()]) this.failed(id, error)
  }

  #askFor(id: string): void {
    this.#unasked.add(id)
    this.#options.wake()
  }

  #arm(waiter: Waiter): void {
    const left = waiter.until - this.#options.clock.monotonic()
    waiter.timer = setTimeout(() => this.#ring(waiter), Math.max(0, Math.min(left, waiter.pause)))
  }

  #ring(waiter: Waiter): void {
    const { job, timeout, until, reject } = waiter
    if (until <= this.#options.clock.monotonic()) {
      const waiters = this.#waiters.get(job.id)
      waiters?.delete(waiter)
      if (waiters?.size === 0) this.#take(job.id)
      return reject(timedOut(job, timeout))
    }
    waiter.pause *= 3
    if (!this.#unstored.has(job.id)) this.#askFor(job.id)
    this.#arm(waiter)
  }

  #take(id: string): Iterable<Waiter> {
    const waiters = this.#waiters.get(id) ?? []
    this.#waiters.delete(id)
    this.#unstored.delete(id)
    this.#unasked.delete(id)
    for (const { timer } of waiters) clearTimeout(timer)
    return waiters
  }
}

const nameOf = ({ id, task }: AwaitedJob): string => (task === undefined ? `Job ${id}` : `${task} (${id})`)

/** @returns what a job's task returned @throws as `Results.wait` */
export const resultOf = (job: AwaitedJob, ending: Ending): unknown => {
  const { id, task } = job
  switch (ending.kind) {
    case 'succeeded': {
      const result = decodeResult(ending.result)
      if ('value' in result) return result.value
      throw new ResultNotSentError(
        `${nameOf(job)} has succeeded, and what it returned cannot be sent: ${result.unsent}. Return data, or an id of it.`,
        { id, task, reason: result.unsent },
      )
    }
    case 'failed': {
      const { failure, attempts } = ending
      throw new JobFailedError(
        `${nameOf(job)} has failed: ${failure.message}`,
        { id, task, attempts },
        { cause: errorOf(failure) },
      )
    }
    case 'cancelled':
      throw new JobCancelledError(`${nameOf(job)} was cancelled: it has no result.`, { id, task })
    case 'gone':
      throw new ResultGoneError(
        `${nameOf(job)} has ended, or there never was such a job: its result is not known any more. Call run, or ask for the result before the job has ended.`,
        { id, task },
      )
  }
}

/** @param timeout ms */
export const timedOut = (job: AwaitedJob, timeout: number): ResultTimeoutError =>
  new ResultTimeoutError(
    `${nameOf(job)} has not ended in ${timeout / 1000} s. It goes on: wait longer (result({ timeout })), or ask again by getJob(id). Where no daemon runs, start one.`,
    { id: job.id, task: job.task, timeout: timeout / 1000 },
  )
