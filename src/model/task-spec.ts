import type { RunOptions } from './run-options.ts'

/** What a generation tells the master of a task: data, no code. */
export interface TaskSpec {
  readonly name: string
  readonly aliases: readonly string[]
  /** What the task's own options say; the settings decide where they say nothing. */
  readonly options: RunOptions
}
