/** What a call returns: the handle of its job. */
import type { JobSignal } from '../model/current-job.ts'
import { InvalidDelayError, ResultGoneError, UnknownJobError } from '../model/errors.ts'
import type { Progress } from '../model/progress.ts'
import { type Cancelled, DATA, type Job, type JobStatus, type ResultOptions } from '../model/task.ts'
import { LONGEST_WAIT } from '../wire/protocol.ts'
import { whileWaiting } from '../worker/current.ts'
import { type AwaitedJob, resultOf } from './results.ts'

/** What a handle asks of its daemon. */
export interface Asker {
  ask(verb: 'cancel' | 'show', params: unknown): Promise<unknown>
  /** @param timeout ms */
  result(job: AwaitedJob, timeout: number): Promise<unknown>
  /** Until the signal aborts, or the job is over. */
  watch(id: string, signal: JobSignal): AsyncIterable<Progress>
}

/** How long a result is waited for where nobody says, seconds. */
export const PATIENCE = 60

/** @returns ms */
const waitOf = (timeout: unknown = PATIENCE): number => {
  if (typeof timeout === 'number' && timeout > 0 && timeout * 1000 <= LONGEST_WAIT) return timeout * 1000
  throw new InvalidDelayError(
    `result({ timeout: ${String(timeout)} }): it is a number of seconds, above 0 and up to ${LONGEST_WAIT / 1000}. How a job stands says status().`,
    { seconds: timeout },
  )
}

/** What becomes of what is asked of a handle. */
interface Answers {
  cancel(id: string): Promise<Cancelled>
  progress(id: string): AsyncIterable<Progress>
  result(job: AwaitedJob, options: ResultOptions | undefined): Promise<unknown>
  status(id: string): Promise<JobStatus>
}

/**
 * Data to whoever logs it, sends it or returns it from a task or a server's function. Its methods are the class's: as
 * properties of each, which nobody lists, they took 0.55 µs of the 5 that a job of a batch costs its client, and so 0.02.
 */
class JobHandle implements Job {
  readonly id: string
  readonly disabled: boolean
  readonly #task: string | undefined
  readonly #answers: Answers

  constructor(id: string, disabled: boolean, task: string | undefined, answers: Answers) {
    this.id = id
    this.disabled = disabled
    this.#task = task
    this.#answers = answers
  }

  async cancel(): Promise<Cancelled> {
    return JobHandle.#answersOf(this).cancel(this.id)
  }

  progress(): AsyncIterable<Progress> {
    return JobHandle.#answersOf(this).progress(this.id)
  }

  async result(options?: ResultOptions): Promise<unknown> {
    return JobHandle.#answersOf(this).result({ id: this.id, task: this.#task }, options)
  }

  async status(): Promise<JobStatus> {
    return JobHandle.#answersOf(this).status(this.id)
  }

  /** @throws TypeError where a method was taken off its handle, or the handle was wrapped or copied */
  static #answersOf(handle: JobHandle | undefined): Answers {
    if (typeof handle === 'object' && #answers in handle) return handle.#answers
    throw new TypeError(
      'A method of a job was called without its handle: call job.result() and not a result() that was taken off it, and of a copy, or behind a Proxy, getJob(job.id).',
    )
  }

  static {
    // Whoever passes data on (devalue, structuredClone, React's server functions) refuses what a class has made, and knows it
    // by its prototype's prototype: without one it is a plain object, as those of another realm are to them. (React warns of
    // it in development all the same.) Ours goes by DATA.
    const {
      constructor: _,
      ['__proto__']: __,
      ...inherited
    } = Object.getOwnPropertyDescriptors(Object.prototype) as Record<string, PropertyDescriptor>
    const prototype = Object.setPrototypeOf(JobHandle.prototype, null)
    Object.defineProperties(prototype, { ...inherited, [DATA]: { value: true } })
  }
}

/** @returns what makes the handles of jobs that are stored where `asker` leads */
export const storedJobs = (asker: Asker): ((id: string, task: string | undefined) => Job) => {
  const answers: Answers = {
    cancel: async (id) => {
      const [verdict] = (await asker.ask('cancel', { ids: [id] })) as { result: Cancelled | 'unknown' }[]
      // It was stored: where it is unknown now it has ended.
      return verdict === undefined || verdict.result === 'unknown' ? 'finished' : verdict.result
    },
    progress: (id) => watched(id, asker),
    result: async (job, { timeout } = {}) => {
      const wait = waitOf(timeout)
      return whileWaiting(job.id, () => asker.result(job, wait), wait)
    },
    status: async (id) => {
      try {
        return ((await asker.ask('show', { id })) as { state: JobStatus }).state
      } catch (error) {
        if (error instanceof UnknownJobError) return 'gone'
        throw error
      }
    },
  }
  return (id, task) => new JobHandle(id, false, task, answers)
}

/**
 * The handle of a job that was run here: there is nothing left of it but what it returned.
 *
 * @param result encoded
 */
export const endedJob = (id: string, task: string, result: string): Job =>
  new JobHandle(id, false, task, {
    cancel: async () => 'finished',
    progress: noProgress,
    result: async (job) => resultOf(job, { kind: 'succeeded', result }),
    status: async () => 'succeeded',
  })

async function* watched(id: string, asker: Asker): AsyncGenerator<Progress> {
  const left = new AbortController()
  const all = asker.watch(id, left.signal)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await whileWaiting(id, () => all.next())
      if (done === true) return
      yield value
    }
  } finally {
    // A generator takes no return while it waits for what is to come next.
    left.abort()
    await all.return?.()
  }
}

async function* noProgress(): AsyncGenerator<Progress> {}

/** The handle of a job that there cannot be, as its id is none. */
export const noJob = (id: string): Job =>
  new JobHandle(id, false, undefined, {
    cancel: async () => 'finished',
    progress: noProgress,
    result: async (job) => resultOf(job, { kind: 'gone' }),
    status: async () => 'gone',
  })

/** The handle of a call that was only logged. */
export const disabledJob = (id: string, task: string): Job =>
  new JobHandle(id, true, task, {
    cancel: async () => 'finished',
    progress: noProgress,
    result: async () => {
      throw notRun(id, task)
    },
    status: async () => 'disabled',
  })

/** @returns why a call that was only logged has no result */
export const notRun = (id: string, task: string): ResultGoneError =>
  new ResultGoneError(`${task} was not run, as calls are disabled (ZTASKD_DISABLED): it has no result.`, {
    id,
    task,
  })
