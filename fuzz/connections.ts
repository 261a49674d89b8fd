/** What attackers do below ZeroMQ: bytes that are none of its, bytes one by one, and connections without number. */
import { connect, type Socket } from 'node:net'

/** A greeting of ZMTP, as far as it goes without an answer (rfc.zeromq.org/spec/23). */
const GREETING = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1, ...Buffer.from('NULL')])

export class Connections {
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** So far. */
  made = 0

  constructor(port: number) {
    this.#port = port
  }

  get open(): number {
    return this.#sockets.size
  }

  /** Sends bytes and leaves. */
  throwAt(bytes: Uint8Array): void {
    this.#connect((socket) => socket.end(bytes))
  }

  /** Sends a greeting a byte at a time, and never comes to its end. */
  trickle(every: number): void {
    this.#connect((socket) => {
      let sent = 0
      const timer = setInterval(() => {
        if (sent < GREETING.length) socket.write(GREETING.subarray(sent, ++sent))
      }, every)
      this.#timers.add(timer)
      socket.once('close', () => clearInterval(timer))
    })
  }

  /** Connects, and says nothing. */
  hold(count: number): void {
    for (let i = 0; i < count; i++) this.#connect(() => {})
  }

  /** Ends them all. */
  drop(): void {
    for (const timer of this.#timers) clearInterval(timer)
    for (const socket of this.#sockets) socket.destroy()
    this.#timers.clear()
  }

  #connect(connected: (socket: Socket) => void): void {
    const socket = connect(this.#port, '127.0.0.1', () => {
      this.made++
      connected(socket)
    })
    this.#sockets.add(socket)
    socket.resume()
    socket.on('error', () => {}) // The daemon may hang up: so it should.
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
