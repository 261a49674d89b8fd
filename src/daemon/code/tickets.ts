/** Reloads that were asked for over the wire: one may take longer than a call may. */
import { DaemonError } from '../../model/errors.ts'

/** How a reload goes on. */
export type Reloading =
  | { readonly ticket: number; readonly state: 'reloading' }
  | { readonly ticket: number; readonly state: 'reloaded'; readonly generation: number }
  | { readonly ticket: number; readonly state: 'failed'; readonly message: string }

/** How long an answer may take, ms: less than any call. */
const PATIENCE = 500
/** Whoever asks later than so many others gets no answer. */
const MOST_KEPT = 100

export class Tickets {
  readonly #ends = new Map<number, Promise<Reloading>>()
  #latest = 0

  /**
   * @param work resolves with the generation that took over
   * @returns the ticket
   */
  begin(work: Promise<number>): number {
    const ticket = ++this.#latest
    const end = work.then(
      (generation): Reloading => ({ ticket, state: 'reloaded', generation }),
      (error: Error): Reloading => ({ ticket, state: 'failed', message: error.message }),
    )
    this.#ends.set(ticket, end)
    this.#ends.delete(ticket - MOST_KEPT)
    return ticket
  }

  /** @throws DaemonError where there is no such ticket */
  async look(ticket: number): Promise<Reloading> {
    const end = this.#ends.get(ticket)
    if (end === undefined)
      throw new DaemonError(`There is no reload ${ticket}: the daemon has been started since. Ask once more.`)
    const patience = Promise.withResolvers<Reloading>()
    const timer = setTimeout(() => patience.resolve({ ticket, state: 'reloading' }), PATIENCE)
    return Promise.race([end, patience.promise]).finally(() => clearTimeout(timer))
  }
}
