/**
 * The one writer of a socket: a second `send()` while one is pending throws EBUSY (zeromq.js 6), so messages queue here.
 */

/** What a socket must offer; both DEALER and ROUTER do. */
export interface Writable<M> {
  send(message: M): Promise<void>
}

export class Outbox<M> {
  readonly #socket: Writable<M>
  readonly #undeliverable: (message: M, error: Error) => void
  #queue: M[] = []
  #draining = false
  #sending = Promise.resolve()

  /** @param undeliverable told of each message that the socket did not take */
  constructor(socket: Writable<M>, undeliverable: (message: M, error: Error) => void) {
    this.#socket = socket
    this.#undeliverable = undeliverable
  }

  put(message: M): void {
    this.#queue.push(message)
    if (!this.#draining) this.#sending = this.#drain()
  }

  /** Resolves when everything put so far is with the socket, or was told undeliverable. */
  async flushed(): Promise<void> {
    await this.#sending
  }

  async #drain(): Promise<void> {
    this.#draining = true
    while (this.#queue.length > 0) {
      const batch = this.#queue
      this.#queue = []
      for (const message of batch) {
        try {
          await this.#socket.send(message)
        } catch (error) {
          this.#undeliverable(message, error as Error)
        }
      }
    }
    this.#draining = false
  }
}
