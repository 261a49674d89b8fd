/**
 * Whether a daemon answers, and the time that timeouts count by: the sum of ticks, each bounded. Time in which this
 * process was blocked or suspended says nothing about the daemon: its answer may be waiting in the socket.
 */

/** What a tick counts at most, ms. */
const LONGEST_TICK = 100
/** Silence, while an answer is owed, after which to ask whether anybody is there, ms. */
const PROBE_AFTER = 150
/** Silence after which nobody is, ms. */
const AWAY_AFTER = 600
/** Beyond it, for each job that waits for its answer, ms: a daemon answers no hello while it stores a batch. */
const AWAY_AFTER_A_JOB = 0.04

export class Presence {
  /** ms, since the first tick. */
  #time = 0
  #lastTick = 0
  #lastHeard = 0
  #lastHello = Number.NEGATIVE_INFINITY
  /** How long no daemon answered, in all, up to `#awaySince`. */
  #awayTotal = 0
  #awaySince: number | undefined = 0
  #slack = 0

  get time(): number {
    return this.#time
  }

  get answering(): boolean {
    return this.#awaySince === undefined
  }

  /** How long no daemon has answered, in all, ms. */
  get away(): number {
    return this.#awayTotal + (this.#awaySince === undefined ? 0 : this.#time - this.#awaySince)
  }

  /** An answer is owed again after a time in which none was: that silence says nothing. */
  begin(now: number): void {
    this.#lastTick = now
    this.#lastHeard = this.#time
  }

  /**
   * Time goes on; a silence that has lasted means that nobody is there.
   *
   * @param jobs that wait for their answer
   * @param slack how much longer a silence may be, ms: where no answer is due
   */
  tick(now: number, jobs: number, slack = 0): void {
    this.#time += Math.min(now - this.#lastTick, LONGEST_TICK + slack)
    this.#lastTick = now
    this.#slack = slack
    if (this.#time - this.#lastHeard > AWAY_AFTER + slack + jobs * AWAY_AFTER_A_JOB) this.lost()
  }

  /** @returns whether to say hello now */
  get wantsHello(): boolean {
    if (!this.answering) return this.sinceHello > 0
    const quiet = PROBE_AFTER + this.#slack
    return this.sinceHello > quiet && this.#time - this.#lastHeard > quiet
  }

  /** ms */
  get sinceHello(): number {
    return this.#time - this.#lastHello
  }

  saidHello(): void {
    this.#lastHello = this.#time
  }

  /** A daemon said something. */
  heard(): void {
    this.#lastHeard = this.#time
    this.#awayTotal = this.away
    this.#awaySince = undefined
  }

  /** No daemon is there. */
  lost(): void {
    this.#awaySince ??= this.#time
  }
}
