/**
 * The ids of jobs that ended a short while ago: a client that did not hear the answer sends them again, and they must
 * not run again. Two sets that take turns: an id is remembered for one to two periods.
 */
import type { Clock } from '../clock.ts'

/** About 100 bytes an id: two full sets are some 20 MB. */
const MOST = 100_000

export class RecentIds {
  readonly #clock: Clock
  readonly #period: number
  #current = new Set<string>()
  #previous = new Set<string>()
  #turned: number

  /** @param period ms */
  constructor(clock: Clock, period: number) {
    this.#clock = clock
    this.#period = period
    this.#turned = clock.monotonic()
  }

  add(id: string): void {
    this.#turn()
    this.#current.add(id)
  }

  has(id: string): boolean {
    this.#turn()
    return this.#current.has(id) || this.#previous.has(id)
  }

  #turn(): void {
    const age = this.#clock.monotonic() - this.#turned
    if (age < this.#period && this.#current.size < MOST) return
    this.#previous = age < 2 * this.#period ? this.#current : new Set()
    this.#current = new Set()
    this.#turned = this.#clock.monotonic()
  }
}
