/** The measuring process's end of bodies.js: two Unix sockets, one that stamps come in by, one that gates wait on. */
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Gate } from './contestant.ts'

const listen = (path: string, onConnection: (socket: Socket) => void): Promise<Server> =>
  new Promise((serves, reject) => {
    const server = createServer(onConnection).once('error', reject)
    server.listen(path, () => serves(server))
  })

export class Witness {
  readonly env: NodeJS.ProcessEnv
  readonly gate: Gate = {
    waits: (count) => {
      if (this.#waiting.size >= count) return Promise.resolve()
      return new Promise((resolve) => {
        this.#awaited = { count, resolve }
      })
    },
    open: () => {
      for (const socket of this.#waiting) socket.destroy()
      this.#waiting.clear()
    },
  }
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #waiting = new Set<Socket>()
  readonly #listeners = new Map<string, (at: bigint) => void>()
  #awaited: { readonly count: number; readonly resolve: () => void } | undefined

  private constructor(folder: string) {
    this.env = { BENCH_WITNESS: join(folder, 'witness.sock'), BENCH_GATE: join(folder, 'gate.sock') }
  }

  static async start(folder: string): Promise<Witness> {
    const witness = new Witness(folder)
    const { BENCH_WITNESS = '', BENCH_GATE = '' } = witness.env
    witness.#servers.push(await listen(BENCH_WITNESS, (socket) => witness.#hear(socket)))
    witness.#servers.push(await listen(BENCH_GATE, (socket) => witness.#wait(socket)))
    return witness
  }

  /** @returns when the job with this id began, ns of the monotonic clock */
  began(id: string): Promise<bigint> {
    return new Promise((resolve) => this.#listeners.set(id, resolve))
  }

  end(): void {
    for (const socket of [...this.#sockets, ...this.#waiting]) socket.destroy()
    for (const server of this.#servers) server.close()
  }

  #hear(socket: Socket): void {
    this.#sockets.add(socket)
    let rest = ''
    socket.setEncoding('utf8').on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#stamped(line)
    })
  }

  #stamped(line: string): void {
    const [id = '', at = '0'] = line.split(' ')
    this.#listeners.get(id)?.(BigInt(at))
    this.#listeners.delete(id)
  }

  #wait(socket: Socket): void {
    this.#waiting.add(socket)
    socket.on('error', () => {}).on('close', () => this.#waiting.delete(socket))
    if (this.#awaited !== undefined && this.#waiting.size >= this.#awaited.count) this.#awaited.resolve()
  }
}
