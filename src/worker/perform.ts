/** One job as a pipe of small verbs: resolve → decode → call → classify. Workers run it, and eager and inline calls. */
import { DoNotRetry, RetryAfter, TaskMissingError } from '../model/errors.ts'
import { failureOf, type Outcome, SUCCEEDED } from '../model/outcome.ts'
import { decodeArgs, encodeResult } from '../wire/codec.ts'
import type { Current } from './current.ts'
import { type Registry, resolvedTask, resolveTask } from './registry.ts'

/** What is needed to run a job. */
export interface Work {
  readonly job: Current
  /** Encoded. */
  readonly args: string
  /** The task is about to be called. */
  readonly begun?: (() => void) | undefined
}

/**
 * Runs a task on decoded arguments.
 *
 * @returns what the task returns
 * @throws what the task throws, and UnknownTaskError or TaskMissingError where there is no such task
 */
export const perform = async (registry: Registry, { job, args, begun }: Work): Promise<unknown> => {
  // Without a turn of the microtask queue where it is known: who claimed a job is then at its first line at once.
  const call = resolvedTask(registry, job.task) ?? (await resolveTask(registry, job.task))
  const decoded = decodeArgs(args)
  begun?.()
  return await job.run(() => call(...decoded))
}

/** Runs a task and tells how it ended; throws nothing. */
export const performToOutcome = async (registry: Registry, work: Work): Promise<Outcome> => {
  try {
    const value = await perform(registry, work)
    // Somebody may have come to want it meanwhile.
    const most = work.job.mostWanted
    return most === undefined ? SUCCEEDED : { kind: 'succeeded', result: encodeResult(value, most) }
  } catch (thrown) {
    return outcomeOf(thrown, work.job.task)
  }
}

/** @returns how a run of a task has ended that threw this */
export const outcomeOf = (thrown: unknown, task: string): Outcome => {
  const failure = failureOf(thrown)
  try {
    // By their codes: an application may have another copy of ztask.
    const { code, seconds, data } = thrown as { code?: unknown; seconds?: unknown; data?: { task?: unknown } }
    // A task may call another directly, whose error is then its own.
    if (code === TaskMissingError.code && data?.task === task)
      return { kind: 'missing', reason: failure.message }
    if (code === DoNotRetry.code) return { kind: 'threw', failure, final: true }
    if (code === RetryAfter.code && Number(seconds) >= 0 && Number(seconds) <= LONGEST_PAUSE)
      return { kind: 'postponed', seconds: Number(seconds) }
  } catch {
    // Nothing, or a proxy that lets nobody look at it.
  }
  return { kind: 'threw', failure }
}

/** Seconds: as RetryAfter takes them. */
const LONGEST_PAUSE = 1e9
