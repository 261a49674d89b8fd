/** The job that runs: what the code of a task, however deep, may ask for. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { CurrentJob, JobLog, JobSignal } from '../model/current-job.ts'
import { NoCurrentJobError } from '../model/errors.ts'
import { type Progress, progressOf } from '../model/progress.ts'
import type { StopReason } from '../model/run.ts'

/** What is known of a job before it runs. */
export interface JobFacts {
  readonly id: string
  readonly task: string
  /** From 1. */
  readonly attempt: number
  /** Epoch ms. */
  readonly created: number
}

/** Who runs a job, and wants to know of its runs. */
export interface RunHost {
  /**
   * One waits for another job, of that id.
   *
   * @returns called when it does not any more, with how many ms it may be kept waiting for a slot: resolves when it may go on
   */
  waits(run: number, id: string): (most?: number) => Promise<void>
  progress(run: number, progress: Progress): void
  /** @returns how many bytes of what it returns somebody wants; asked when it has returned */
  mostWanted(run: number): number | undefined
}

/** Makes the log of a job. */
export type MakeJobLog = (job: { readonly id: string; readonly task: string }) => JobLog

/** Where tasks run in the application itself: on its console, as the client's own lines are. */
const consoleLog: MakeJobLog = ({ id, task }) => {
  const to =
    (write: (line: string, ...facts: object[]) => void) =>
    (first: string | object, message = ''): void =>
      typeof first === 'string'
        ? write(`ztask: ${task} (${id}): ${first}`)
        : write(`ztask: ${task} (${id}): ${message}`, first)
  const { debug, info, warn, error } = console
  return {
    trace: to(debug),
    debug: to(debug),
    info: to(info),
    warn: to(warn),
    error: to(error),
    fatal: to(error),
  }
}

let makeLog = consoleLog

/** From now on jobs of this process log there. */
export const logJobsBy = (make: MakeJobLog): void => {
  makeLog = make
}

const STORAGE = new AsyncLocalStorage<Current>()

/** A job that runs. Its signal and its log are made when they are asked for: most jobs do without. */
export class Current implements CurrentJob {
  readonly #facts: JobFacts
  #abort: AbortController | undefined
  #stopped: StopReason | undefined
  #log: JobLog | undefined
  readonly #host: RunHost | undefined
  readonly #run: number

  /** @param run its number, where a worker runs it */
  constructor(facts: JobFacts, host?: RunHost, run = 0) {
    this.#facts = facts
    this.#host = host
    this.#run = run
  }

  get id(): string {
    return this.#facts.id
  }

  get task(): string {
    return this.#facts.task
  }

  get attempt(): number {
    return this.#facts.attempt
  }

  get created(): Date {
    return new Date(this.#facts.created)
  }

  get signal(): JobSignal {
    this.#abort ??= new AbortController()
    if (this.#stopped !== undefined) this.#abort.abort(reasonOf(this.#facts.task, this.#stopped))
    return this.#abort.signal as JobSignal
  }

  get log(): JobLog {
    this.#log ??= makeLog(this.#facts)
    return this.#log
  }

  progress(fraction: number, message?: string): void {
    const progress = progressOf(fraction, message)
    this.#host?.progress(this.#run, progress)
  }

  /** How many bytes of what it returns somebody wants. */
  get mostWanted(): number | undefined {
    return this.#host?.mostWanted(this.#run)
  }

  /** Runs a function as this job: it, and all that it awaits or calls, finds it by `currentJob()`. */
  run<T>(work: () => T): T {
    return STORAGE.run(this, work)
  }

  /** Waits for another job: the next may begin meanwhile, and this one goes on when there is a slot for it again, or its time is over. */
  async waitFor<T>(id: string, wait: () => Promise<T>, timeout?: number): Promise<T> {
    const until = timeout === undefined ? undefined : performance.now() + timeout
    const aborted = Promise.withResolvers<never>()
    const { signal } = this
    const giveUp = (): void => aborted.reject(signal.reason)
    if (signal.aborted) giveUp()
    const abort = this.#abort?.signal
    abort?.addEventListener('abort', giveUp)
    const goOn = this.#host?.waits(this.#run, id)
    try {
      return await Promise.race([wait(), aborted.promise])
    } finally {
      const left = until === undefined ? undefined : Math.max(0, until - performance.now())
      // One that is to end needs no slot for that.
      if (!signal.aborted) await Promise.race([goOn?.(left), aborted.promise])
      abort?.removeEventListener('abort', giveUp)
    }
  }

  /** The run should end. */
  stop(reason: StopReason): void {
    this.#stopped ??= reason
    // Within the job: whoever listens may ask for it.
    const { task } = this.#facts
    this.run(() => this.#abort?.abort(reasonOf(task, this.#stopped ?? reason)))
  }
}

const ABORTED: Readonly<Record<Exclude<StopReason, 'timeout'>, string>> = {
  cancelled: 'is cancelled',
  replaced: 'runs code that was replaced, and will run again on the new',
  fenced: 'belongs to a daemon that could not reach its database, and may run again elsewhere',
  relieved: 'runs in a worker that is to end for what another job did, and will run again in another',
}

/** The names are those of the platform: AbortSignal.timeout() has a TimeoutError, abort() an AbortError. */
const reasonOf = (task: string, reason: StopReason): DOMException => {
  if (reason === 'timeout')
    return new DOMException(`${task} has taken longer than its timeout`, 'TimeoutError')
  return new DOMException(`${task} ${ABORTED[reason]}`, 'AbortError')
}

/** @returns the job that the calling code runs in, where it runs in one */
export const callingJob = (): Current | undefined => STORAGE.getStore()

/**
 * The calling code waits for another job: where it runs in one itself, that gives its slot back meanwhile, and waits no longer
 * than until its signal aborts.
 *
 * @param id of the job
 * @param timeout ms, after which `wait` has ended: nor does it wait longer than that for its slot
 * @throws what `wait` rejects with, or the reason of the signal
 */
export const whileWaiting = <T>(id: string, wait: () => Promise<T>, timeout?: number): Promise<T> => {
  const job = STORAGE.getStore()
  return job === undefined ? wait() : job.waitFor(id, wait, timeout)
}

/**
 * The job that the calling code runs in: asked for within a task, or in whatever a task calls or awaits.
 *
 * @returns its id, task, attempt (from 1) and date of the call; `signal`, which aborts when its timeout has passed or it is
 *   cancelled, or its worker is to end, as its code was replaced say, and `--drain-timeout` has passed, or its daemon cannot reach the server that it shares; `progress`, which tells how far it is; `log`, whose lines carry the job's id and task
 * @throws NoCurrentJobError outside of a job, as where a task is called directly
 *
 * @example
 * export const fetchPage = task({ timeout: 30 }, async (url: string) => {
 *   const { signal, log } = currentJob()
 *   const response = await fetch(url, { signal })
 *   log.info({ status: response.status }, 'fetched')
 * })
 */
export const currentJob = (): CurrentJob => {
  const job = STORAGE.getStore()
  if (job === undefined)
    throw new NoCurrentJobError(
      'currentJob() was called outside of a job. A daemon, and eager mode, run tasks as jobs; a task that is called directly is a function like any other: enqueue it, or ask only where it runs as a job.',
    )
  return job
}
