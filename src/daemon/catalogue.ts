/** What the current code can run: names, aliases and options, as a generation told them. */

import { UnknownTaskError } from '../model/errors.ts'
import type { Job } from '../model/job.ts'
import { nearest } from '../model/nearest.ts'
import type { RetryPolicy } from '../model/retry.ts'
import { pauseAfter, type RetryPause, type RunOptions } from '../model/run-options.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import type { UnknownTask } from '../settings.ts'

/** What the settings say. */
export interface Defaults {
  readonly retryCount: number
  readonly retryAfter: RetryPause
}

/** What the code says of a task's name: nothing, or why a call of it is refused or held. */
export type Verdict = { readonly refuse: UnknownTaskError } | { readonly hold: string } | undefined

/** What a call's options and its task's are at the moment of the call. */
export type Placed = Pick<Job, 'priority' | 'options'>
const PLAIN: Placed = { priority: 0, options: null }

/** What is looked at of a job. */
type Optioned = Pick<Job, 'task' | 'options' | 'attempts'>

export class Catalogue {
  readonly #defaults: Defaults
  readonly #byName = new Map<string, TaskSpec>()

  constructor(tasks: readonly TaskSpec[], defaults: Defaults) {
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

  /** What decides after a run of the job that fails: the call's options, the task's where that has none, then the settings. */
  policyOf(job: Optioned, random = Math.random()): RetryPolicy {
    const { retryCount, retryAfter, keepFailed } = { ...this.#defaults, ...this.#optionsOf(job) }
    return { retryCount, retryAfter: pauseAfter(retryAfter, job.attempts + 1, random), keepFailed }
  }

  /** @returns how long a run of the job may take, ms */
  timeoutOf(job: Optioned): number | undefined {
    return inMs(this.#optionsOf(job)?.timeout)
  }

  /** @returns how long what the job's task returned is kept, ms, where it is */
  keepResultOf(job: Optioned): number | undefined {
    return inMs(this.#optionsOf(job)?.keepResult)
  }

  /** @returns what is to be kept with a job of a call's options, or of its task's: what is decided when it comes */
  placed(name: string, options: RunOptions | null, due: number): Placed {
    const own = this.#byName.get(name)?.options
    // Once a job: most have none of them.
    if (options === null && own?.expiresIn === undefined && own?.priority === undefined) return PLAIN
    const { expiresIn = own?.expiresIn, priority = own?.priority ?? 0, ...others } = options ?? {}
    const expiry = expiresIn === undefined ? {} : { expiresAt: Math.round(due + expiresIn * 1000) }
    const kept = { ...others, ...expiry }
    return { priority, options: Object.keys(kept).length === 0 ? null : kept }
  }

  #optionsOf({ task, options }: Optioned): RunOptions | undefined {
    const own = this.#byName.get(task)?.options
    return options === null ? own : { ...own, ...options }
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

const inMs = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000
