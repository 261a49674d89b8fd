/** The master's end of a worker's lifeline: calls jobs back that have not begun, and hears of those that do. */

import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'

export class Lifeline {
  readonly #socket: Duplex
  /** Answers come in the order of the questions. */
  readonly #asked: ((places: readonly number[]) => void)[] = []

  /** @param begun told the number of a run that begins while its worker runs nothing else */
  constructor(socket: Duplex, begun: (run: number) => void) {
    this.#socket = socket
    const lines = createInterface({ input: socket })
    lines.on('line', (line) => {
      const said = read(line)
      if (typeof said === 'number') begun(said)
      else if (said !== undefined) this.#asked.shift()?.(said)
    })
    // The worker is gone: its exit says so. The interface hands on what the socket says.
    socket.on('error', () => {})
    lines.on('error', () => {})
  }

  /** @param told called with those of the places whose jobs had not begun and never will; never, where the worker dies */
  recall(places: readonly number[], told: (places: readonly number[]) => void): void {
    this.#asked.push(told)
    this.#socket.write(`${JSON.stringify(places)}\n`)
  }

  /** The worker is to be dead at that time, by the host's monotonic clock, ms; where nothing else is said before. */
  lives(until: number): void {
    this.#socket.write(`${until}\n`)
  }
}

/** @returns what a worker says, or nothing where user code has written into its file descriptor */
const read = (line: string): number | readonly number[] | undefined => {
  try {
    const said: unknown = JSON.parse(line)
    return [said].flat().every(Number.isInteger) ? (said as number | readonly number[]) : undefined
  } catch {
    return undefined
  }
}
