/** What a scan found, as plain data: all that the emitters know. */

import type { TaskOptions } from '../src/model/task.ts'
import type { ClientSettings } from '../src/settings.ts'

export interface ManifestTask {
  readonly name: string
  readonly aliases: readonly string[]
  readonly options: Omit<TaskOptions, 'name' | 'aliases'>
  /** The module, relative to the project's folder, with forward slashes. */
  readonly file: string
  /** What the module is imported by where that is no relative path: it lies in another package of a monorepo. */
  readonly specifier: string | undefined
  /** The name that the module exports it by. */
  readonly export: string
  /** The documentation comment, where an editor does not find it at the export of the task's name. */
  readonly comment: string | undefined
}

export interface Manifest {
  /** The project's folder. */
  readonly root: string
  readonly project: string
  readonly url: string
  /** The client's settings that differ from their defaults. */
  readonly settings: Partial<ClientSettings>
  /** Sorted by name. */
  readonly tasks: readonly ManifestTask[]
  /** The folder of the generated files, relative to the project's folder. */
  readonly output: string
  /** Whether modules are imported by `.ts`, as the project's tsconfig allows, and not by `.js`. */
  readonly tsExtensions: boolean
}
