/** The files in which workers leave what tsx made of the project's modules for those of the next generation (worker/modules.ts). */
import { readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { ModuleFiles } from '../../wire/ipc.ts'

export class KeptModules {
  readonly #base: string
  #count = 0
  /** What the newest generation has left, or will. */
  #reads: string | undefined

  /** @param database absolute; the files are beside it */
  constructor(database: string) {
    this.#base = `${database}-modules-`
    // Of a daemon that was killed.
    this.remove()
  }

  /** Nothing holds: settings have changed, by which modules are compiled. */
  forget(): void {
    this.#reads = undefined
  }

  /** @returns the files for a generation to come; each is written for one, so that a late one is read by none */
  next(): ModuleFiles {
    return { reads: this.#reads, writes: `${this.#base}${++this.#count}` }
  }

  /** A generation with these files has taken over. */
  taken({ reads, writes }: ModuleFiles): void {
    if (reads !== undefined) rmSync(reads, { force: true })
    this.#reads = writes
  }

  remove(): void {
    const folder = dirname(this.#base)
    const ours = readdirSync(folder).filter((name) => name.startsWith(basename(this.#base)))
    for (const name of ours) rmSync(join(folder, name), { force: true })
  }
}
