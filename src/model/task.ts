/** The words of the public types: a task, its options, its calls, and the handle that a call returns. */
import type { Progress } from './progress.ts'
import type { RunOptions } from './run-options.ts'
import type { IfSendable, IfSent, Refused } from './sendable.ts'

/** What `task()` takes beside the function. Options are data: `ztask generate` reads them without running anything. */
export interface TaskOptions extends RunOptions {
  /** The task's name; its export name where none is given. With a name, `.async` works on the function itself. */
  readonly name?: string
  /** Names that queued jobs may still carry, so that a rename orphans none. */
  readonly aliases?: readonly string[]
}

/** Any function. Its return type is `void`, which accepts every other without asking for it. */
export type AnyFunction = (...args: never) => void

/** The arguments of `F`, `readonly` rest parameters included; of overloads the last counts, of generics the constraint. */
export type Args<F> = F extends (...args: infer P extends readonly unknown[]) => void ? P : never

/** What `F` returns, awaited, as it arrives; or what says why it does not. */
export type Result<F> = F extends (...args: never) => infer R ? Sent<Awaited<R>> : never

/** A handle arrives as its data. */
type Sent<R> = R extends Job ? Pick<Job, 'id' | 'disabled'> : IfSent<R>

/** Any function of whose result nothing is known, as where handles of several tasks are in one list. */
export type UnknownFunction = (...args: never) => unknown

/**
 * The type of the parameter that takes a task's function: `F`, or what says why it cannot be a task. While `F` is not
 * yet inferred, as with `(path: string, angle = 90) => …`, it is `unknown`, and nothing is refused.
 */
export type Arg<F> = unknown extends F
  ? F
  : F extends AnyFunction
    ? IfSendable<Args<F>, F>
    : Refused<'a task is made of a function'>

/** On each task at run time, under this symbol: its options. Registered, so that every copy of ztask knows it. */
export const TASK: unique symbol = Symbol.for('ztask.task') as typeof TASK

/** On a prototype: its objects are data that has methods, and arrive as plain objects. Registered, so that every copy of ztask knows it. */
export const DATA: unique symbol = Symbol.for('ztask.data') as typeof DATA

declare const OF: unique symbol

/** Marks a value as the task of the function type `F`. */
export interface TaskMark<F> {
  readonly [TASK]: { readonly options: TaskOptions }
  /** Never there: it carries `F`, so that `F` can be inferred without looking at what it returns. */
  readonly [OF]?: F
}

/** A task: called like the function, it runs here and now. */
export type Task<F = AnyFunction> = F & TaskMark<F>

/** A task whose options give its name: it can be enqueued without the generated client. */
export type NamedTask<F = AnyFunction> = Task<F> & TaskCalls<F>

/** The ways to enqueue a task. Each promise resolves when the job is on disk. */
export interface TaskCalls<F> {
  /**
   * Enqueues the task, to run as soon as a worker is free.
   *
   * @example const job = await tasks.sendEmail.async('a@b.c', 'Hi')
   */
  async(...args: Args<F>): Promise<Job<F>>
  /**
   * Enqueues the task, to run in that many seconds.
   *
   * @example await tasks.sendEmail.after(5, 'a@b.c', 'Hi')
   */
  after(seconds: number, ...args: Args<F>): Promise<Job<F>>
  /**
   * Enqueues the task, to run at that moment.
   *
   * @example await tasks.sendEmail.at(new Date('2027-01-01'), 'a@b.c', 'Happy new year')
   */
  at(date: Date, ...args: Args<F>): Promise<Job<F>>
  /**
   * Enqueues the task many times, to run as soon as workers are free: all of the jobs are stored, or none is. One
   * message carries them, so it is many times quicker than as many calls.
   *
   * @param calls the arguments of each; at most 100,000, and `maxBatch` bytes of them (16 MiB): split what is larger
   * @returns the handles, in the order of the calls
   * @example const jobs = await tasks.sendEmail.batch([['a@b.c', 'Hi'], ['d@e.f', 'Hi']])
   */
  batch(calls: readonly Readonly<Args<F>>[]): Promise<Job<F>[]>
  /**
   * Enqueues the task and waits for what it returns, 60 seconds at most. A daemon's death loses neither the job nor its
   * result. Within a job, others may run in its place meanwhile.
   *
   * @throws JobFailedError, with the task's own error as its `cause`, where no retry is left; ResultTimeoutError, where it has
   *   not ended in time: it goes on; JobCancelledError, ResultNotSentError; and as `async`
   * @example const total = await tasks.add.run(1, 2)
   */
  run(...args: Args<F>): Promise<Result<F>>
  /**
   * The same calls, whose jobs have options of their own: they win over the task's, which win over the settings.
   *
   * @throws ConfigError where an option is unknown or has a value that cannot be
   * @example await tasks.sendEmail.with({ retryCount: 1, expiresIn: 600 }).after(5, 'a@b.c', 'Hi')
   */
  with(options: RunOptions): TaskCalls<F>
  /** @deprecated Use `async`, which is the same. */
  delay(...args: Args<F>): Promise<Job<F>>
}

/** What became of a job that was cancelled. */
export type Cancelled = 'removed' | 'signalled' | 'finished'

/**
 * How a job stands: waiting for a worker, or scheduled for later; running; held, as there is no code for it; failed, with no
 * retry left; succeeded, while its result is kept; gone, where it has ended or there never was one; disabled, where the call
 * was only logged.
 */
export type JobStatus =
  | 'waiting'
  | 'scheduled'
  | 'running'
  | 'held'
  | 'failed'
  | 'succeeded'
  | 'gone'
  | 'disabled'

/** How long to wait for a result. */
export interface ResultOptions {
  /** Seconds, above 0 and 24 days at most; 60 where none are given. */
  readonly timeout?: number
}

/** The function type of a task, or of its calls. */
export type FunctionOf<T> = T extends TaskCalls<infer F> ? F : T

/** The handle of an enqueued job. */
export interface Job<F = UnknownFunction> {
  /** A UUID v7, made by the client. */
  readonly id: string
  /** Whether the call was only logged, as the setting `disabled` asks. */
  readonly disabled: boolean
  /**
   * Cancels the job. One that waits is removed; one that runs is told to end by its signal (`currentJob().signal`), and
   * its worker is killed where it does not within the daemon's `--kill-grace`. It is not retried, and does not run again.
   *
   * @returns `'removed'`: it had not begun and never will; `'signalled'`: it runs, and was told to end; `'finished'`: it
   *   had ended, or there never was one
   * @throws DaemonUnavailableError, OutcomeUnknownError, as a call does
   * @example
   * const job = await tasks.sendEmail.after(60, 'a@b.c', 'Hi')
   * if ((await job.cancel()) === 'finished') console.log('too late')
   */
  cancel(): Promise<Cancelled>
  /**
   * Waits for what the task returns. To be asked before the job has ended: then neither its end nor a daemon's death lose it.
   * A job whose result nobody has asked for leaves none (call `run`, which asks from the start).
   *
   * @throws JobFailedError, with the task's own error as its `cause`, where no retry is left; ResultTimeoutError, where it has
   *   not ended in time: it goes on; JobCancelledError, ResultGoneError, ResultNotSentError
   * @example
   * const job = await tasks.resize.async('photo.jpg', 200)
   * const path = await job.result({ timeout: 300 })
   */
  result(options?: ResultOptions): Promise<Result<F>>
  /**
   * How far the job is, as its task says by `currentJob().progress()`: what it says last, whenever that changes, until the job has
   * ended, however it does. What comes faster than the loop turns is passed over.
   *
   * @throws DaemonUnavailableError where no daemon has answered for a minute
   * @example
   * const job = await tasks.resize.async('photo.jpg', 200)
   * for await (const { fraction, message } of job.progress()) console.log(Math.round(fraction * 100), '%', message)
   */
  progress(): AsyncIterable<Progress>
  /**
   * How the job stands now.
   *
   * @throws DaemonUnavailableError, OutcomeUnknownError, as a call does
   * @example
   * const job = await tasks.sendEmail.async('a@b.c', 'Hi')
   * if ((await job.status()) === 'held') console.log('the daemon has no code for it yet')
   */
  status(): Promise<JobStatus>
  readonly [OF]?: F
}

/** The calls of one task of a module: what the generated client is made of. */
export type CallsOf<T> = TaskCalls<T extends TaskMark<infer F> ? F : never>

/** The calls of several tasks of one module, with the names and the documentation that they have there. */
export type Calls<M> = { readonly [K in keyof M]: CallsOf<M[K]> }

/** @returns whether `value` was made by `task()`, of this copy of ztask or another. */
export const isTask = (value: unknown): value is Task => typeof value === 'function' && TASK in value
