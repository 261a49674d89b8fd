/** The client's DEALER: opened at the first message, silent about daemons that are not there, and no reason to live on. */
import { setTimeout } from 'node:timers/promises'
import type { Dealer } from 'zeromq'
import { ConfigError } from '../model/errors.ts'
import { masked } from '../model/masked.ts'
import { readClientKeys } from '../wire/keys.ts'
import { Outbox } from '../wire/outbox.ts'

/** How long one wait for a message lasts, ms: a pending receive() keeps the process alive, and it cannot be withdrawn. */
const RECEIVE = 100
/**
 * A socket through which nothing can be sent is opened anew when it is so old, ms: where a handshake fails, ZeroMQ gives
 * the address up for good, and it may only have been another's for a moment, or our key not listed yet.
 */
const REOPEN = 1000

export interface DealerOptions {
  readonly url: string
  /** The file of this client's keys, or its folder. */
  readonly keys: string | undefined
  readonly received: (frames: readonly Buffer[]) => void
  /** A message that no daemon took: none is connected. It never left this process. */
  readonly undelivered: (message: SentMessage) => void
  /** The socket cannot be used: what waits for it has failed. */
  readonly failed: (error: Error) => void
  /** Whether an answer is still to come: only then the socket listens. */
  readonly owed: () => boolean
}

/** What is sent, with what it is to be recognised by. */
export interface SentMessage {
  readonly frames: [string, string]
  readonly key: number
}

export class DealerSocket {
  readonly #options: DealerOptions
  #socket: Dealer | undefined
  #opening: Promise<void> | undefined
  #outbox: Outbox<SentMessage> | undefined
  /** On the monotonic clock, ms. */
  #openedAt = 0
  #listening = false
  #closed = false

  constructor(options: DealerOptions) {
    this.#options = options
  }

  send(message: SentMessage): void {
    if (this.#outbox !== undefined) return this.#put(message)
    this.#opening ??= this.#open()
    this.#opening.then(
      () => this.#put(message),
      (error: Error) => {
        this.#opening = undefined
        this.#options.failed(error instanceof ConfigError ? error : cannotConnect(this.#options.url, error))
      },
    )
  }

  close(): void {
    this.#closed = true
    this.#socket?.close()
  }

  #put(message: SentMessage): void {
    if (this.#closed) return
    this.#outbox?.put(message)
    if (!this.#listening) void this.#listen()
  }

  async #open(): Promise<void> {
    const { Dealer } = await import('zeromq')
    const { url, keys } = this.#options
    const pair = keys === undefined ? undefined : readClientKeys(keys)
    // immediate: without it a send "succeeds" with no daemon, and one started later receives what the caller gave up.
    // sendTimeout 0: with none connected a send fails at once (EAGAIN). linger 0: what matters has been answered.
    const socket = new Dealer({
      immediate: true,
      sendTimeout: 0,
      receiveTimeout: RECEIVE,
      linger: 0,
      sendHighWaterMark: 10_000,
      reconnectInterval: 50,
      ...(pair !== undefined && {
        curvePublicKey: pair.publicKey,
        curveSecretKey: pair.secretKey,
        curveServerKey: pair.serverKey,
      }),
    })
    socket.connect(url)
    this.#socket = socket
    this.#openedAt = performance.now()
    const writable = { send: (message: SentMessage) => socket.send(message.frames) }
    this.#outbox = new Outbox<SentMessage>(writable, (message) => {
      if (this.#socket === socket && performance.now() - this.#openedAt > REOPEN) this.#leave()
      this.#options.undelivered(message)
    })
  }

  /** The next message opens another socket. */
  #leave(): void {
    this.#socket?.close()
    this.#socket = undefined
    this.#outbox = undefined
    this.#opening = undefined
  }

  async #listen(): Promise<void> {
    this.#listening = true
    while (this.#options.owed() && !this.#closed) {
      const frames = await this.#receive()
      if (frames !== undefined) this.#options.received(frames)
    }
    this.#listening = false
  }

  async #receive(): Promise<readonly Buffer[] | undefined> {
    const socket = this.#socket
    // It is just being opened anew.
    if (socket === undefined) return void (await setTimeout(RECEIVE))
    try {
      return await socket.receive()
    } catch (error) {
      // EAGAIN: nothing came within the wait.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' && !this.#closed && !socket.closed)
        this.#options.failed(cannotConnect(this.#options.url, error as Error))
      return undefined
    }
  }
}

const cannotConnect = (url: string, cause: Error): ConfigError =>
  new ConfigError(
    `No connection can be made to ${masked(url)}: ${cause.message}. Check ZTASKD_URL.`,
    { url: masked(url) },
    { cause },
  )
