/** JSON-RPC with a language server, over its standard streams. */
import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

interface Message {
  readonly id?: number | string
  readonly method?: string
  readonly params?: { readonly items?: readonly unknown[] }
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

const HEAD = /Content-Length: (\d+)\r\n(?:[^\r]+\r\n)*\r\n/

export class Rpc {
  readonly #to: Writable
  readonly #waiting = new Map<number, Waiting>()
  #left = Buffer.alloc(0)
  #last = 0

  constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#to = child.stdin
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk))
    child.once('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the language server ended'))
    })
  }

  /** Asks, and waits for the answer, which is of the type that the protocol promises. */
  async request<T>(method: string, params: unknown): Promise<T> {
    const id = ++this.#last
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#send({ id, method, params })
    return (await answer) as T
  }

  /** Says something that has no answer. */
  notify(method: string, params: unknown): void {
    this.#send({ method, params })
  }

  #send(message: object): void {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.#to.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }

  #read(chunk: Buffer): void {
    this.#left = Buffer.concat([this.#left, chunk])
    for (;;) {
      const head = HEAD.exec(this.#left.toString('latin1'))
      const start = (head?.index ?? 0) + (head?.[0].length ?? 0)
      const end = start + Number(head?.[1])
      if (head === null || this.#left.length < end) return
      const body = this.#left.subarray(start, end).toString()
      this.#left = this.#left.subarray(end)
      this.#take(JSON.parse(body))
    }
  }

  #take({ id, method, params, result, error }: Message): void {
    if (method === undefined && typeof id === 'number') {
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error.message))
    } else if (id !== undefined) {
      // What the server asks of an editor: settings, of which there are none, and things that need no answer.
      this.#send({ id, result: params?.items?.map(() => null) ?? null })
    }
  }
}
