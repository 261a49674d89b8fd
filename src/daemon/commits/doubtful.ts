/**
 * Arrivals that were written and of which nobody can say whether they are on disk: the fsync failed. They are written again,
 * and answered when that has succeeded; nothing joins them, as it would become doubtful too, without end.
 */
import type { Arrival } from './units.ts'

/** Each time that its connection is cut a client asks again; of the answers only the last reaches it. */
const MOST_ANSWERS = 4

export class Doubtful {
  readonly #answers = new Map<Arrival, Arrival['answer'][]>()
  readonly #byFirst = new Map<string, Arrival>()

  get size(): number {
    return this.#answers.size
  }

  get arrivals(): readonly Arrival[] {
    return [...this.#answers.keys()]
  }

  has(arrival: Arrival): boolean {
    return this.#answers.has(arrival)
  }

  add(arrival: Arrival): void {
    if (this.has(arrival)) return
    this.#answers.set(arrival, [arrival.answer])
    const [first] = arrival.jobs
    if (first !== undefined) this.#byFirst.set(first.id, arrival)
    arrival.waits?.()
  }

  /** @returns whether these are the jobs of a doubtful arrival, sent again: then its answer is theirs, too */
  joins(arrival: Arrival): boolean {
    const known = this.#byFirst.get(arrival.jobs[0]?.id ?? '')
    const answers = known && this.#answers.get(known)
    if (known === undefined || answers === undefined || !areSame(known, arrival)) return false
    answers.push(arrival.answer)
    if (answers.length > MOST_ANSWERS) answers.shift()
    arrival.waits?.()
    return true
  }

  /** Whether one of the jobs is in doubt, though they came otherwise together. */
  concerns({ jobs }: Arrival): boolean {
    const ids = new Set(jobs.map(({ id }) => id))
    return this.arrivals.some((one) => one.jobs.some(({ id }) => ids.has(id)))
  }

  /** It is known what has become of it. @returns what tells all who have asked */
  settle(arrival: Arrival): Arrival['answer'] {
    const answers = this.#answers.get(arrival)
    if (answers === undefined) return arrival.answer
    this.#answers.delete(arrival)
    this.#byFirst.delete(arrival.jobs[0]?.id ?? '')
    return (notStored) => {
      for (const answer of answers) answer(notStored)
    }
  }
}

const areSame = (one: Arrival, other: Arrival): boolean =>
  one.together === other.together &&
  one.jobs.length === other.jobs.length &&
  one.jobs.every(({ id }, at) => id === other.jobs[at]?.id)
