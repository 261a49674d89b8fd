/** Which jobs the runs in workers wait for. */

/** Ids of them that are kept, each about 150 bytes. */
const MOST = 200_000

export class Waits {
  /** The latest wait last. */
  readonly #byRun = new Map<number, Set<string>>()
  /** How many runs wait for a job. */
  readonly #runs = new Map<string, number>()
  #count = 0
  /** Runs that wait for jobs of which no more can be kept. */
  readonly #others = new Set<number>()

  /** Whether all jobs that are waited for are known. */
  get areKnown(): boolean {
    return this.#others.size === 0
  }

  has(id: string): boolean {
    return this.#runs.has(id)
  }

  /** @returns the jobs that are waited for, those of the latest wait last */
  ids(): string[] {
    return [...this.#byRun.values()].flatMap((ids) => [...ids])
  }

  /** @returns the jobs that a run waits for */
  of(run: number): Iterable<string> {
    return this.#byRun.get(run) ?? []
  }

  /** @returns the runs that wait */
  runs(): number[] {
    return [...this.#byRun.keys()]
  }

  add(run: number, ids: readonly string[]): void {
    const known = this.#byRun.get(run) ?? new Set()
    this.#byRun.set(run, known)
    for (const id of ids) {
      if (known.has(id)) continue
      if (this.#count >= MOST) return void this.#others.add(run)
      this.#count++
      known.add(id)
      this.#runs.set(id, (this.#runs.get(id) ?? 0) + 1)
    }
  }

  /** A run waits no more. */
  remove(run: number): void {
    const ids = this.#byRun.get(run) ?? []
    this.#byRun.delete(run)
    this.#others.delete(run)
    for (const id of ids) {
      this.#count--
      const left = (this.#runs.get(id) ?? 0) - 1
      if (left > 0) this.#runs.set(id, left)
      else this.#runs.delete(id)
    }
  }
}
