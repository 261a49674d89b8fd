/**
 * Suspects whose isolated worker died while one of them waited for another: nobody can say which of them killed it, as what waits
 * may still do something. Those are not tried beside each other again, but what was waited for first.
 */

/** Jobs that are kept in mind: of more the earliest are forgotten, and may die together once more. */
const MOST = 1000

export class Apart {
  /** By who waited: what for. */
  readonly #awaited = new Map<string, ReadonlySet<string>>()

  add(id: string, awaited: ReadonlySet<string>): void {
    this.#awaited.delete(id)
    this.#awaited.set(id, awaited)
    const [first] = this.#awaited.keys()
    if (this.#awaited.size > MOST && first !== undefined) this.#awaited.delete(first)
  }

  get size(): number {
    return this.#awaited.size
  }

  /** Whether one must not be tried beside the other, which waits for it. */
  keeps(id: string, waiting: string): boolean {
    return this.#awaited.get(waiting)?.has(id) === true
  }

  /** Whether a job is to be tried after another, which is a suspect: of those that wait for each other neither is. */
  isLater(id: string, isSuspect: (id: string) => boolean): boolean {
    return [...(this.#awaited.get(id) ?? [])].some((other) => isSuspect(other) && !this.#leads(other, id))
  }

  #leads(from: string, to: string, seen = new Set<string>()): boolean {
    if (from === to) return true
    if (seen.has(from)) return false
    seen.add(from)
    return [...(this.#awaited.get(from) ?? [])].some((next) => this.#leads(next, to, seen))
  }
}
