/** What a task can know of the job that it runs. */

/** AbortSignal as the application's own types have it, from Node's or from the DOM's; ztask brings neither. */
export type JobSignal = typeof globalThis extends { AbortSignal: { readonly prototype: infer S } }
  ? S
  : { readonly aborted: boolean; readonly reason: unknown; throwIfAborted(): void }

/** Writes a line: a message, or facts and a message, as pino does. */
export interface WriteLog {
  (message: string): void
  (facts: object, message?: string): void
}

/** The part of a pino log that tasks use. */
export interface JobLog {
  readonly trace: WriteLog
  readonly debug: WriteLog
  readonly info: WriteLog
  readonly warn: WriteLog
  readonly error: WriteLog
  readonly fatal: WriteLog
}

/** The job that runs. */
export interface CurrentJob {
  readonly id: string
  readonly task: string
  /** Which attempt this is, from 1. */
  readonly attempt: number
  /** When it was called. */
  readonly created: Date
  /** Aborts when the job's timeout has passed, or it is cancelled: pass it on to `fetch`, to timers, to a database. */
  readonly signal: JobSignal
  /**
   * Says how far the job is, to whoever watches it (`job.progress()`): as often as you like, as of what is said within a tenth of
   * a second the last is told.
   *
   * @param fraction 0 to 1; what is less or more is told as these, and NaN, as of nothing out of nothing, as 0
   * @param message in words; of more than 1,000 characters the first
   * @throws TypeError where the fraction is no number
   */
  progress(fraction: number, message?: string): void
  /** Its lines carry the job's id and task, and go where the daemon's go. */
  readonly log: JobLog
}
