/**
 * Which of the jobs handed to a worker are begun and which are called back: decided once for each, in memory that the
 * event loop, which begins them, shares with the thread that is asked to give them back. So a job behind one that never
 * yields is not lost to the other workers.
 */
import { MOST_STOCK } from '../wire/ipc.ts'

export class Claims {
  readonly #words: Int32Array
  readonly #mask: number

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
    this.#mask = this.#words.length - 1
  }

  /** @returns memory for the claims of a worker that runs so many jobs at a time */
  static memory(concurrency: number): SharedArrayBuffer {
    // Four times what a worker has: jobs that were called back, each for a cancel say, keep their place until the event
    // loop comes to them, and a word that is used for a later place must not be needed for an earlier one.
    const places = 2 ** Math.ceil(Math.log2(4 * (concurrency + MOST_STOCK)))
    return new SharedArrayBuffer(places * Int32Array.BYTES_PER_ELEMENT)
  }

  /** @returns whether the caller is the first to claim this place, and may begin, or give back, what is there */
  claim(place: number): boolean {
    const at = place & this.#mask
    for (;;) {
      const seen = Atomics.load(this.#words, at)
      // As a difference: places wrap around.
      if (((place - seen) | 0) <= 0) return false
      if (Atomics.compareExchange(this.#words, at, seen, place) === seen) return true
    }
  }
}
