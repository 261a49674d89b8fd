/**
 * Stops runs that may not go on: those past their timeout, and those that are cancelled. JavaScript cannot be interrupted
 * from within its process, so this goes in steps: the run's signal aborts; after the grace the worker gets no more jobs,
 * and where its event loop turns, its other jobs get the grace once more; then it is killed.
 */
import { isUncharged, type Run, type StopReason, type Worker } from '../model/run.ts'

export interface StopsOptions {
  /** What a run gets after its signal, ms; and its neighbours after that. */
  readonly grace: number
  /** Lets the run's signal abort. */
  readonly abort: (run: Run, reason: StopReason) => void
  /** A run has not ended within the grace: its worker gets no more jobs, and another takes its place. */
  readonly relieve: (worker: Worker, neighbours: number) => void
  readonly runsOn: (worker: Worker) => readonly Run[]
  /** Calls back when the worker's event loop turns. */
  readonly ask: (worker: Worker, answered: () => void) => void
  /** What it was to be killed for has ended after all: its other runs may take their time. */
  readonly retire: (worker: Worker) => void
  readonly kill: (worker: Worker, because: Run, reason: StopReason) => void
}

/** A run that should end. */
interface Stop {
  readonly run: Run
  readonly reason: StopReason
  readonly timer: NodeJS.Timeout | undefined
  /** Its worker is killed for it. */
  condemned: boolean
}

/** A worker that is to be killed once its other runs have ended. */
interface Relieved {
  timer: NodeJS.Timeout
  killed: boolean
}

/** setTimeout fires at once for more, ms: 24 days. */
const LONGEST = 2 ** 31 - 1
/** How long an event loop that turns may take to answer, ms. */
const PONG = 250

export class Stops {
  readonly #options: StopsOptions
  readonly #timeouts = new Map<number, NodeJS.Timeout>()
  readonly #stops = new Map<number, Stop>()
  readonly #relieved = new Map<number, Relieved>()

  constructor(options: StopsOptions) {
    this.#options = options
  }

  /** A run may go on for so long from now, ms, whatever was said before. */
  limit(run: Run, timeout: number): void {
    const known = this.#stops.get(run.number)?.reason
    if (known !== undefined && known !== 'fenced') return
    this.#clear(run.number)
    this.#timeouts.set(
      run.number,
      setTimeout(() => this.stop(run, 'timeout'), Math.min(timeout, LONGEST)),
    )
  }

  /**
   * A run should end. One that was told already is not told again. Where its worker is what has to go, that is ended by
   * whoever wants it gone.
   */
  stop(run: Run, reason: StopReason): void {
    const known = this.#stops.get(run.number)?.reason
    // Its daemon may have gone on before it had to end: then it may have to for another reason.
    if (known !== undefined && (known !== 'fenced' || reason === 'fenced')) return
    if (reason !== 'fenced') this.#clear(run.number)
    const timer = isUncharged(reason) ? undefined : setTimeout(() => this.#expire(stop), this.#options.grace)
    const stop: Stop = { run, reason, timer, condemned: false }
    this.#stops.set(run.number, stop)
    this.#options.abort(run, reason)
  }

  /**
   * A run is over, in whatever way.
   *
   * @returns why it had been told to end, where it had; `condemned` where its worker was killed for it
   */
  ended({ number, worker }: Run): Pick<Stop, 'reason' | 'condemned'> | undefined {
    this.#clear(number)
    const stop = this.#stops.get(number)
    if (stop !== undefined) clearTimeout(stop.timer)
    this.#stops.delete(number)
    if (this.#relieved.has(worker.number)) this.#lookAgain(worker)
    return stop
  }

  gone(worker: Worker): void {
    clearTimeout(this.#relieved.get(worker.number)?.timer)
    this.#relieved.delete(worker.number)
  }

  #clear(number: number): void {
    clearTimeout(this.#timeouts.get(number))
    this.#timeouts.delete(number)
  }

  #expire(stop: Stop): void {
    const { worker } = stop.run
    stop.condemned = true
    const first = !this.#relieved.has(worker.number)
    if (first) {
      this.#options.relieve(worker, this.#neighbours(worker))
      this.#relieved.set(worker.number, { timer: setTimeout(() => this.#kill(worker), PONG), killed: false })
    }
    if (this.#neighbours(worker) === 0) return this.#kill(worker)
    if (first) this.#options.ask(worker, () => this.#wait(worker))
  }

  /** Its event loop turns: the neighbours may finish. */
  #wait(worker: Worker): void {
    const relieved = this.#relieved.get(worker.number)
    if (relieved === undefined || relieved.killed) return
    clearTimeout(relieved.timer)
    relieved.timer = setTimeout(() => this.#kill(worker), this.#options.grace)
  }

  /** One of its runs has ended: that which it was to be killed for, or the last of the others. */
  #lookAgain(worker: Worker): void {
    const runs = this.#options.runsOn(worker)
    const neighbours = this.#neighbours(worker)
    if (neighbours === runs.length) {
      this.gone(worker)
      this.#options.retire(worker)
    } else if (neighbours === 0) this.#kill(worker)
  }

  /** Those of its runs for which nothing has run out. */
  #neighbours(worker: Worker): number {
    return this.#options.runsOn(worker).filter(({ number }) => !this.#stops.get(number)?.condemned).length
  }

  #kill(worker: Worker): void {
    const relieved = this.#relieved.get(worker.number)
    if (relieved === undefined || relieved.killed) return
    relieved.killed = true
    clearTimeout(relieved.timer)
    const because = [...this.#stops.values()].find(
      ({ run, condemned }) => condemned && run.worker.number === worker.number,
    )
    if (because !== undefined) this.#options.kill(worker, because.run, because.reason)
  }
}
