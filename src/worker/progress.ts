/** How far runs are, told to the master ten times a second at most, the latest of each: so that a task may say it as often as it likes. */
import type { Progress } from '../model/progress.ts'

/** ms */
const PAUSE = 100

export class Progresses {
  readonly #tell: (runs: readonly (readonly [run: number, Progress])[]) => void
  readonly #latest = new Map<number, Progress>()
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (runs: readonly (readonly [run: number, Progress])[]) => void) {
    this.#tell = tell
  }

  say(run: number, progress: Progress): void {
    this.#latest.set(run, progress)
    this.#timer ??= setTimeout(() => this.#ring(), 0)
  }

  /** A run has ended: what it said last is told before that. */
  ended(run: number): void {
    const progress = this.#latest.get(run)
    if (progress === undefined) return
    this.#latest.delete(run)
    this.#tell([[run, progress]])
  }

  #ring(): void {
    this.#timer = undefined
    if (this.#latest.size === 0) return
    this.#tell([...this.#latest])
    this.#latest.clear()
    // What comes within the pause is told at its end.
    this.#timer = setTimeout(() => this.#ring(), PAUSE)
  }
}
