import type { Job } from './job.ts'

/** A worker process, as the daemon's stages speak of it. */
export interface Worker {
  /** Counts the workers of one start of the daemon. */
  readonly number: number
  readonly pid: number
  /** The version of the code that it runs. */
  readonly generation: number
}

/** One handing of a job to a worker. */
export interface Run {
  readonly number: number
  readonly job: Job
  readonly worker: Worker
}

/** How a worker's process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}
