/** The files that the code of each generation comes from, as its workers tell them. */

export class Graph {
  readonly #files = new Map<number, Set<string>>()

  add(generation: number, files: readonly string[]): void {
    const known = this.#files.get(generation) ?? new Set()
    this.#files.set(generation, known)
    for (const file of files) known.add(file)
  }

  /** Whether a generation that counts has loaded a file; of one that has told nothing yet, any. */
  has(file: string): boolean {
    return this.#files.size === 0 || [...this.#files.values()].some((files) => files.has(file))
  }

  /** A generation has taken over: those before it count no more. */
  renewed(generation: number): void {
    for (const number of this.#files.keys()) if (number < generation) this.#files.delete(number)
  }
}
