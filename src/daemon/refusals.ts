/** What the door refuses: counted by reason, and of each told at most once a second, however much of it comes. */

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
  /** What has not been told. One reason must not hide another: who has a wrong key knocks, and may then send anything. */
  readonly #untold = new Map<RefusalReason, { fresh: number; latest: Error }>()
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
    this.#untold.set(reason, { fresh: (this.#untold.get(reason)?.fresh ?? 0) + 1, latest: error })
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
    if (this.#untold.size === 0) return
    const reports = [...this.#untold.values()].map((one) => ({ ...one, counts: this.counts }))
    this.#untold.clear()
    this.#timer = setTimeout(() => this.#tell(), PAUSE)
    this.#timer.unref()
    for (const report of reports) this.#told(report)
  }
}
