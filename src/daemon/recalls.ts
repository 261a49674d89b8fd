/**
 * Calls jobs back that a worker has not begun a while after they were handed to it: what it runs is slower than it was,
 * or does not yield, and another worker may be free.
 */
import type { Clock } from '../clock.ts'
import type { Run, Worker } from '../model/run.ts'

export interface RecallsOptions {
  readonly clock: Clock
  /** Runs handed over before this (monotonic ms) of which nobody knows whether they have begun; each is told once. */
  readonly doubtful: (before: number) => readonly (readonly [Worker, readonly Run[]])[]
  /** Whether there are others, handed over since. */
  readonly more: () => boolean
  /** Asks a worker for jobs; `told` is called with those of the places that had not begun. */
  readonly recall: (
    worker: Worker,
    places: readonly number[],
    told: (places: readonly number[]) => void,
  ) => void
  /** These had not begun, and will not. */
  readonly back: (worker: Worker, runs: readonly Run[]) => void
  /** All up to this one were asked for; those that did not come back have begun. */
  readonly answered: (worker: Worker, last: Run) => void
}

/** How long a job may wait in a worker, ms: several times what a stock is to last. */
const PATIENCE = 20
const PERIOD = 10

export class Recalls {
  readonly #options: RecallsOptions
  #timer: NodeJS.Timeout | undefined

  constructor(options: RecallsOptions) {
    this.#options = options
  }

  /** Something was handed over. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#sweep(), PERIOD)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** Asks for jobs of a worker's; `told` is called with those that had not begun, and will not. */
  recall(worker: Worker, runs: readonly Run[], told: RecallsOptions['back']): void {
    const byPlace = new Map(runs.map((run) => [run.place, run]))
    this.#options.recall(worker, [...byPlace.keys()], (places) => {
      told(
        worker,
        places.flatMap((place) => byPlace.get(place) ?? []),
      )
    })
  }

  #sweep(): void {
    this.#timer = undefined
    const { clock, doubtful, more, answered, back } = this.#options
    for (const [worker, runs] of doubtful(clock.monotonic() - PATIENCE))
      this.recall(worker, runs, (_, found) => {
        const last = runs.at(-1)
        if (last !== undefined) answered(worker, last)
        back(worker, found)
      })
    if (more()) this.watch()
  }
}
