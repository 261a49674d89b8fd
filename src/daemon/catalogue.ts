/** What the current code can run: names, aliases and options, as a generation told them. */

import { UnknownTaskError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import type { RetryPolicy } from '../model/retry.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import type { UnknownTask } from '../settings.ts'

/** What the code says of a task's name: nothing, or why a call of it is refused or held. */
export type Verdict = { readonly refuse: UnknownTaskError } | { readonly hold: string } | undefined

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

  /** @returns why a job of this task cannot run, or `undefined` where it can */
  obstacle(name: string): string | undefined {
    return this.#byName.has(name) ? undefined : `the code has no task '${name}'`
  }

  /** @returns whether a call of a task that is not here is refused or held, or `undefined` where it is here */
  judge(name: string, unknown: UnknownTask): Verdict {
    const reason = this.obstacle(name)
    if (reason === undefined) return undefined
    return unknown === 'hold' ? { hold: reason } : { refuse: this.#unknown(name) }
  }

  /** The task's own options, the settings where it has none. */
  policyOf(name: string): RetryPolicy {
    return { ...this.#defaults, ...this.#byName.get(name)?.options }
  }

  /** @returns how long a run of the task may take, ms */
  timeoutOf(name: string): number | undefined {
    const seconds = this.#byName.get(name)?.options.timeout
    return seconds === undefined ? undefined : seconds * 1000
  }

  #unknown(name: string): UnknownTaskError {
    const similar = nearest(name, this.#byName.keys())
    const cure =
      similar === undefined
        ? 'Run ztask generate where the daemon runs, or deploy the daemon before the application'
        : `Did you mean '${similar}'? Otherwise run ztask generate where the daemon runs`
    return new UnknownTaskError(`The daemon knows no task '${name}'. ${cure}.`, {
      task: name,
      nearest: similar,
    })
  }
}
