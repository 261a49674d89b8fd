/** One job as a pipe of small verbs: resolve → decode → call → classify. Workers run it, and eager and inline calls. */
import { failureOf, type Outcome } from '../model/outcome.ts'
import { decodeArgs } from '../wire/codec.ts'
import { type Registry, resolveTask } from './registry.ts'

/** What is needed to run a job. */
export interface Work {
  readonly task: string
  /** Encoded. */
  readonly args: string
}

/**
 * Runs a task on decoded arguments.
 *
 * @returns what the task returns
 * @throws what the task throws, and UnknownTaskError or TaskMissingError where there is no such task
 */
export const perform = async (registry: Registry, { task, args }: Work): Promise<unknown> => {
  const run = await resolveTask(registry, task)
  return await run(...decodeArgs(args))
}

/** Runs a task and tells how it ended; throws nothing. */
export const performToOutcome = async (registry: Registry, work: Work): Promise<Outcome> => {
  try {
    await perform(registry, work)
    return { kind: 'succeeded' }
  } catch (thrown) {
    return { kind: 'threw', failure: failureOf(thrown) }
  }
}
