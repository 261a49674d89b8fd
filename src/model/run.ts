import type { Job } from './job.ts'

/**
 * Why a run should end before its task returns: `replaced`, as its code is old and it has had its time; `relieved`, as its
 * worker is to end for what another run did, and it has had its time; `fenced`, as its daemon could not say that it lives, and
 * another may have the job.
 */
export type StopReason = 'timeout' | 'cancelled' | 'replaced' | 'relieved' | 'fenced'

/** @returns whether a run that was told to end pays nothing, and runs again: its worker is what has to go */
export const isUncharged = (reason: StopReason | undefined): boolean =>
  reason === 'replaced' || reason === 'relieved' || reason === 'fenced'

/** A worker process, as the daemon's stages speak of it. */
export interface Worker {
  /** Counts the workers of one start of the daemon. */
  readonly number: number
  readonly pid: number
  /** The version of the code that it runs. */
  readonly generation: number
  /** When it began to load that, epoch ms. */
  readonly loaded: number
  /** Whether it runs suspects, one at a time, and nothing else. */
  readonly isolated: boolean
}

/** One handing of a job to a worker. */
export interface Run {
  readonly number: number
  readonly job: Job
  readonly worker: Worker
  /** Counts the jobs handed to this worker. */
  readonly place: number
  /** When it was handed over, on the monotonic clock, ms. */
  readonly started: number
}

/** What a worker was told before it ended: to finish what it runs and go, or nothing, for it was killed. */
export type Order = 'retire' | 'die'

/** How a worker's process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
  /** What Node says of an end that it did not survive: that memory ran out, say. */
  readonly fatal?: string | undefined
}

/** @returns how it ended, in a few words */
export const exitText = ({ code, signal, fatal }: Exit): string =>
  `${signal ?? `exit code ${code}`}${fatal === undefined ? '' : ` (${fatal})`}`
