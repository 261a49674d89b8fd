/**
 * Whom the door lets in: ZeroMQ asks here about each client that holds a key (rfc.zeromq.org/spec/27). One that has none,
 * or takes the daemon for another, does not get so far.
 */
import type { Router } from 'zeromq'
import { z85 } from '../../wire/keys.ts'

/** Where ZeroMQ asks. */
const ADDRESS = 'inproc://zeromq.zap.01'
const VERSION = '1.0'

export interface GatekeeperOptions {
  /** @returns whether a client of this public key is let in */
  readonly admits: (publicKey: string) => boolean
  readonly turnedAway: (address: string, publicKey: string) => void
}

export class Gatekeeper {
  readonly #options: GatekeeperOptions
  #socket: Router | undefined

  constructor(options: GatekeeperOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    const { Router } = await import('zeromq')
    this.#socket = new Router({ linger: 0 })
    await this.#socket.bind(ADDRESS)
    void this.#answer(this.#socket)
  }

  close(): void {
    this.#socket?.close()
  }

  async #answer(socket: Router): Promise<void> {
    try {
      for await (const frames of socket) await socket.send(this.#verdict(frames))
    } catch (error) {
      if (!socket.closed) throw error
    }
  }

  /** The envelope, an empty frame, then: version, request, domain, address, identity, mechanism, the public key. */
  #verdict(frames: readonly Buffer[]): (Buffer | string)[] {
    const start = frames.findIndex(({ byteLength }) => byteLength === 0) + 1
    const [, request = '', , address, , mechanism, credentials] = frames.slice(start)
    const key = mechanism?.toString() === 'CURVE' && credentials?.byteLength === 32 ? z85(credentials) : ''
    const admitted = this.#options.admits(key)
    if (!admitted) this.#options.turnedAway(address?.toString() ?? '', key)
    const answer = admitted ? ['200', 'OK', key] : ['400', 'This key is not listed', '']
    return [...frames.slice(0, start), VERSION, request, ...answer, '']
  }
}
