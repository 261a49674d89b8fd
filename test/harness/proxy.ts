/** A TCP proxy between client and daemon that can lose what passes, and cut. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy {
  /** What the client connects to. */
  url = ''
  /** While set, bytes from the client vanish. */
  losesCalls = false
  /** While set, bytes from the daemon vanish. */
  losesAnswers = false
  /** Told of all that passes. */
  passed: (chunk: Buffer) => void = () => {}
  /** Connections so far. */
  connections = 0
  readonly #server: Server
  #held = 0
  readonly #pairs = new Set<readonly [Socket, Socket]>()

  private constructor(server: Server) {
    this.#server = server
  }

  static async to(url: string): Promise<TcpProxy> {
    const target = new URL(url)
    const server = createServer()
    const proxy = new TcpProxy(server)
    server.on('connection', (client) => proxy.#join(client, connect(Number(target.port), target.hostname)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    proxy.url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
    return proxy
  }

  /** Cuts every connection; new ones are served. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Passes nothing on until what it returns is called; connections made meanwhile wait too. Nothing is lost. */
  holdUp(): () => void {
    this.#held++
    for (const pair of this.#pairs) for (const socket of pair) socket.pause()
    return () => {
      if (--this.#held > 0) return
      for (const pair of this.#pairs) for (const socket of pair) socket.resume()
    }
  }

  close(): void {
    this.cut()
    this.#server.close()
  }

  #join(client: Socket, daemon: Socket): void {
    this.connections++
    const pair = [client, daemon] as const
    this.#pairs.add(pair)
    for (const socket of pair) socket.on('data', (chunk) => this.passed(chunk))
    client.on('data', (chunk) => this.losesCalls || daemon.write(chunk))
    daemon.on('data', (chunk) => this.losesAnswers || client.write(chunk))
    if (this.#held > 0) for (const socket of pair) socket.pause()
    for (const socket of pair) {
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#pairs.delete(pair)
        for (const one of pair) one.destroy()
      })
    }
  }
}
