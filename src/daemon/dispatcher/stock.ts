/**
 * How many jobs a worker is to hold beyond those that it can begin: enough that it does not run dry while the master
 * commits, and none where jobs are slow, so that none waits behind them.
 */
import { MOST_STOCK } from '../../wire/ipc.ts'

/** For how long the stock is to last, ms. A turn of the master's with its commit takes 0.3 to 2. */
const HORIZON = 4
/** Work is measured over at least this time, ms. */
const SPAN = 2

/**
 * Characters of arguments that a worker has, beyond which it gets no stock: 512 jobs of 1 MiB would be half a gigabyte,
 * there and in the master. A worker takes 2 ms and more for one of 1 MiB, and needs no stock of such.
 */
const MOST_WEIGHT = 4 * 2 ** 20

export class Stock {
  #pace = 0
  #weight = 0
  #worked = 0
  #ended = 0

  /** Jobs. */
  get size(): number {
    if (this.#weight > MOST_WEIGHT) return 0
    return Math.min(MOST_STOCK, Math.floor(this.#pace * HORIZON))
  }

  /** The worker has a job whose texts are of this length, or, where it is negative, has it no more. */
  weigh(length: number): void {
    this.#weight += length
  }

  /**
   * @param worked how long the worker had something to do meanwhile, ms, by its own clock: the master's would count its
   *   own commits too, and find the worker slow that waits for it
   */
  ended(count: number, worked: number): void {
    this.#worked += worked
    this.#ended += count
    if (this.#worked < SPAN) return
    this.#pace = (this.#pace + this.#ended / this.#worked) / 2
    this.#worked = 0
    this.#ended = 0
  }

  /** Jobs had to be called back: it held too many. */
  tooLarge(): void {
    this.#pace = 0
  }
}
