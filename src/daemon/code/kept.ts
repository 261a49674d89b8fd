/** What workers leave of the project's modules for those of the next generation (worker/modules.ts), and whether it holds. */
import { existsSync, rmSync } from 'node:fs'
import type { ModuleFiles } from '../../wire/ipc.ts'

export class KeptModules {
  /** Two, in turns: what is written for the next is not what is read now. */
  readonly #files: readonly [string, string]
  #reads: string | undefined

  /** @param base of the names of the files, absolute */
  constructor(base: string) {
    this.#files = [`${base}-modules-1`, `${base}-modules-2`]
  }

  /**
   * Files have changed, absolute. Workers see by themselves where the text of one is another; but where one came or went, or
   * says where imports lead, nothing holds.
   *
   * @param isModule whether the newest generation has loaded a file
   */
  changed(files: readonly string[], isModule: (file: string) => boolean): void {
    if (!files.every((file) => isModule(file) && existsSync(file))) this.#reads = undefined
  }

  /** Nothing holds. */
  forget(): void {
    this.#reads = undefined
  }

  /** @returns the files for a generation to come */
  get next(): ModuleFiles {
    const [one, other] = this.#files
    return { reads: this.#reads, writes: this.#reads === one ? other : one }
  }

  /** A generation with these files has taken over. */
  taken({ writes }: ModuleFiles): void {
    this.#reads = writes
  }

  remove(): void {
    for (const file of this.#files) rmSync(file, { force: true })
  }
}
