/** Which clients want to be told of which jobs, and until when. */

/** All of them, each about 150 bytes. */
const MOST = 200_000

export class Interest {
  readonly #most: number
  /** By job, then by client: until when, epoch ms. */
  readonly #clients = new Map<string, Map<string, number>>()
  #count = 0

  constructor(most = MOST) {
    this.#most = most
  }

  get size(): number {
    return this.#count
  }

  /** @returns whether there was room for it */
  add(id: string, client: string, until: number): boolean {
    const clients = this.#clients.get(id) ?? new Map<string, number>()
    if (!clients.has(client)) {
      if (this.#count >= this.#most) return false
      this.#count++
    }
    this.#clients.set(id, clients.set(client, until))
    return true
  }

  has(id: string): boolean {
    return this.#clients.has(id)
  }

  /** @returns the clients that want to be told of a job */
  of(id: string): Iterable<string> {
    return this.#clients.get(id)?.keys() ?? []
  }

  /** A client wants to be told of it no more. */
  remove(id: string, client: string): void {
    const clients = this.#clients.get(id)
    if (clients?.delete(client) !== true) return
    this.#count--
    if (clients.size === 0) this.#clients.delete(id)
  }

  /** Nobody needs to be told of a job any more. @returns those who wanted it */
  take(id: string): readonly string[] {
    const clients = [...this.of(id)]
    this.#count -= clients.length
    this.#clients.delete(id)
    return clients
  }

  /** Forgets those whose time was over by now. */
  sweep(now: number): void {
    for (const [id, clients] of this.#clients)
      for (const [client, until] of clients) if (until < now) this.remove(id, client)
  }
}
