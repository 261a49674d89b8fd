/** What the current code can run: names, aliases and options, as a generation told them. */
import { UnknownTaskError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { RetryPolicy } from '../model/retry.ts'
import type { TaskSpec } from '../model/task-spec.ts'

export class Catalogue {
  readonly #defaults: RetryPolicy
  readonly #byName = new Map<string, TaskSpec>()

  constructor(tasks: readonly TaskSpec[], defaults: RetryPolicy) {
    this.#defaults = defaults
    for (const task of tasks) for (const name of [task.name, ...task.aliases]) this.#byName.set(name, task)
  }

  /** Names and aliases. */
  get names(): string[] {
    return [...this.#byName.keys()]
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  /** The task's own options, the settings where it has none. */
  policyOf(name: string): RetryPolicy {
    return { ...this.#defaults, ...this.#byName.get(name)?.options }
  }

  /** @returns the error for a call of a task that is not here */
  unknown(name: string): UnknownTaskError {
    const similar = nearest(name, this.#byName.keys())
    const cure =
      similar === undefined
        ? 'Run ztask generate where the daemon runs, or deploy the daemon before the application'
        : `Did you mean '${similar}'? Otherwise run ztask generate where the daemon runs`
    return new UnknownTaskError(`The daemon knows no task '${name}'. ${cure}.`, { task: name, nearest: similar })
  }
}
