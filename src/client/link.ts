/** How calls reach whoever stores and runs them: a daemon, or in tests the kit in their place. */
import type { JobSignal } from '../model/current-job.ts'
import type { Progress } from '../model/progress.ts'
import type { RunOptions } from '../model/run-options.ts'
import type { Job } from '../model/task.ts'
import type { Verb } from '../wire/protocol.ts'
import type { AwaitedJob } from './results.ts'

/** A job to be enqueued. `due` is a delay from the call, a date, or at once. */
export interface OutgoingJob {
  readonly id: string
  readonly task: string
  /** Encoded. */
  readonly args: string
  /** Milliseconds from the call. */
  readonly after?: number
  /** Epoch milliseconds. */
  readonly at?: number
  /** How long its result is waited for, ms. */
  readonly wait?: number
  readonly options?: RunOptions | undefined
}

export interface Link {
  /** Resolves to its handle when the job is stored. */
  enqueue(job: OutgoingJob): Promise<Job>
  /** Resolves to the handles when all the jobs are stored; else none is. @param size of their arguments, bytes, or about so many */
  enqueueAll(jobs: readonly OutgoingJob[], size: number, options?: RunOptions): Promise<Job[]>
  /** Resolves to what the job's task returns. @param timeout ms */
  run(job: OutgoingJob, timeout: number): Promise<unknown>
  /** Resolves to what the task of a job returns that is stored. @param timeout ms */
  result(job: AwaitedJob, timeout: number): Promise<unknown>
  ask(verb: Verb, params: unknown): Promise<unknown>
  /** How far a job is, until it is over, or the signal aborts. */
  watch(id: string, signal: JobSignal): AsyncIterable<Progress>
}
