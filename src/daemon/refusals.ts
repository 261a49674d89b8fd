/** What the door refuses: counted by reason, and told at most once a second, however much of it comes. */

import {
  REFUSAL_REASONS,
  type RefusalCounts,
  type RefusalReason,
  type RefusalReport,
} from '../model/refusal.ts'

/** ms */
const PAUSE = 1000

export class Refusals {
  readonly #told: (report: RefusalReport) => void
  readonly #counts = Object.fromEntries(['total', ...REFUSAL_REASONS].map((key) => [key, 0])) as Record<
    RefusalReason | 'total',
    number
  >
  #fresh = 0
  #latest: Error | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(told: (report: RefusalReport) => void) {
    this.#told = told
  }

  /** Since the start. */
  get counts(): RefusalCounts {
    return { ...this.#counts }
  }

  add(reason: RefusalReason, error: Error): void {
    this.#counts.total++
    this.#counts[reason]++
    this.#fresh++
    // Of a handshake nothing is known: it must not hide what tells who it was.
    if (reason !== 'handshake' || this.#latest === undefined) this.#latest = error
    if (this.#timer === undefined) this.#tell()
  }

  /** Tells what has not been told. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#tell()
    clearTimeout(this.#timer)
  }

  #tell(): void {
    this.#timer = undefined
    if (this.#latest === undefined) return
    const report = { fresh: this.#fresh, latest: this.#latest, counts: this.counts }
    this.#fresh = 0
    this.#latest = undefined
    this.#timer = setTimeout(() => this.#tell(), PAUSE)
    this.#timer.unref()
    this.#told(report)
  }
}
