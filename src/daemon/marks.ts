/**
 * Marks the runs that last: should the daemon die, its next start knows from the marks what was under way. A quick job
 * ends before its mark is due, and costs no write for it.
 */
import type { Clock } from '../clock.ts'
import type { Run } from '../model/run.ts'

export interface MarksOptions {
  readonly clock: Clock
  /** The oldest first. */
  readonly runs: () => Iterable<Run>
  /** Writes down that a run is under way. */
  readonly mark: (run: Run) => void
}

/** A run is marked when it is between one and two of these old, ms: 100 at the latest. */
const PERIOD = 50

export class Marks {
  readonly #options: MarksOptions
  #timer: NodeJS.Timeout | undefined
  /** Runs up to this number have been marked. */
  #upTo = -1

  constructor(options: MarksOptions) {
    this.#options = options
  }

  /** Something runs. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#sweep(), PERIOD)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #sweep(): void {
    this.#timer = undefined
    const { clock, runs, mark } = this.#options
    const before = clock.monotonic() - PERIOD
    for (const run of runs()) {
      if (run.number <= this.#upTo) continue
      if (run.started > before) return this.watch()
      this.#upTo = run.number
      mark(run)
    }
  }
}
