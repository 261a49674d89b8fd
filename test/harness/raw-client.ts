/** A client of the protocol that does nothing by itself. */
import { onTestFinished } from 'vitest'
import { Dealer } from 'zeromq'
import { PROTOCOL } from '../../src/wire/protocol.ts'

export class RawClient {
  readonly #socket = new Dealer({ linger: 0, receiveTimeout: 20_000 })

  constructor(url: string) {
    this.#socket.connect(url)
    onTestFinished(() => this.#socket.close())
  }

  async say(message: object): Promise<void> {
    await this.#socket.send([PROTOCOL, JSON.stringify({ project: 'fixture', ...message })])
  }

  async hear(): Promise<unknown> {
    const [, body] = await this.#socket.receive()
    return JSON.parse(body?.toString() ?? '')
  }
}
