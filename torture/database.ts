/** Where the tortured daemons keep their jobs, and what is done to it: a file, or a server. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { PostgresServer } from '../test/harness/postgres.ts'
import { TcpProxy } from '../test/harness/proxy.ts'
import type { Disturbance, Kind } from './disturbances.ts'
import type { Site } from './site.ts'

/** Ends what was begun. */
export type Over = () => void | Promise<void>

export interface Database {
  /**
   * Reads only.
   *
   * @returns the names of the jobs in the table; nothing where it cannot be read just now
   */
  waiting(): Promise<Set<string> | undefined>
  /** What a daemon is told of it, by its number. */
  flags(node: number): readonly string[]
  /** @returns how what was begun is ended, or nothing where this machine cannot do it */
  disturb(disturbance: Disturbance): Over | undefined | Promise<Over | undefined>
  /** What is not done. */
  readonly omitted: readonly Kind[]
  close(): Promise<void>
}

/** SQLITE_BUSY, SQLITE_IOERR, SQLITE_FULL: a disturbance is under way (sqlite.org/rescode.html). */
const PASSING: readonly number[] = [5, 10, 13]

const namesIn = (rows: readonly { readonly args: string }[]): Set<string> =>
  new Set(rows.map(({ args }) => (JSON.parse(args) as [string])[0]))

export class DatabaseFile implements Database {
  readonly #site: Pick<Site, 'path'>
  readonly #fills: boolean

  /** @param fills whether its disk may be filled */
  constructor(site: Pick<Site, 'path'>, fills = false) {
    this.#site = site
    this.#fills = fills
  }

  get omitted(): readonly Kind[] {
    return this.#fills ? [] : ['fill disk']
  }

  flags(): readonly string[] {
    return []
  }

  /**
   * Whoever may write and closes last moves the log into the database and removes it, and the next daemon would never start
   * on what a killed one has left.
   */
  async waiting(): Promise<Set<string> | undefined> {
    try {
      const db = new DatabaseSync(this.#site.path('.ztask/ztask.db'), { readOnly: true, timeout: 10_000 })
      try {
        return namesIn(db.prepare('select args from jobs').all() as { args: string }[])
      } finally {
        db.close()
      }
    } catch (error) {
      const { errcode } = error as { errcode?: number }
      if (errcode !== undefined && PASSING.includes(errcode & 0xff)) return undefined
      throw error
    }
  }

  disturb({ kind }: Disturbance): Over | undefined {
    if (kind === 'lock database') return this.#lock()
    return kind === 'fill disk' && this.#fills ? this.#fill() : undefined
  }

  async close(): Promise<void> {}

  #lock(): Over {
    const db = new DatabaseSync(this.#site.path('.ztask/ztask.db'), { timeout: 1000 })
    try {
      db.exec('begin immediate')
    } catch {
      // It is being written to without a pause, or is not made yet.
    }
    return () => db.close()
  }

  #fill(): Over {
    const ballast = this.#site.path('.ztask/ballast')
    const { bavail, bsize } = statfsSync(this.#site.path('.ztask'))
    try {
      writeFileSync(ballast, Buffer.alloc(bavail * bsize + 1))
    } catch {
      // It is full: so it was meant.
    }
    return () => rmSync(ballast, { force: true })
  }
}

/** After so long without a word a daemon counts as dead, s. */
export const LEASE = 2

export class DatabaseServer implements Database {
  readonly omitted = []
  readonly #server: PostgresServer
  /** One a daemon. */
  readonly #proxies: readonly TcpProxy[]
  #isDown = false

  private constructor(server: PostgresServer, proxies: readonly TcpProxy[]) {
    this.#server = server
    this.#proxies = proxies
  }

  static async start(nodes: number): Promise<DatabaseServer> {
    const server = await PostgresServer.start()
    return new DatabaseServer(
      server,
      await Promise.all(Array.from({ length: nodes }, () => TcpProxy.to(server.url))),
    )
  }

  flags(node: number): readonly string[] {
    const url = new URL(this.#server.url)
    url.host = new URL(this.#proxies[node]?.url ?? '').host
    return ['--database', url.href, '--lease', `${LEASE}`]
  }

  async waiting(): Promise<Set<string> | undefined> {
    return this.#ask((client) =>
      client.query('select args from ztask.jobs').then(({ rows }) => namesIn(rows)),
    )
  }

  async disturb({ kind, pick }: Disturbance): Promise<Over | undefined> {
    if (kind === 'kill server') return this.#kill()
    if (kind === 'cut node off') return this.#proxies[Math.floor(pick * this.#proxies.length)]?.holdUp()
    if (kind !== 'terminate connection') return undefined
    const isDone = await this.#ask(async (client) => {
      const { rows } = await client.query<{ pid: number }>(
        `select pid from pg_stat_activity where application_name like 'ztask%' order by pid`,
      )
      const chosen = rows[Math.floor(pick * rows.length)]?.pid
      if (chosen !== undefined) await client.query('select pg_terminate_backend($1)', [chosen])
      return chosen !== undefined
    })
    return isDone === true ? () => {} : undefined
  }

  async close(): Promise<void> {
    for (const proxy of this.#proxies) proxy.close()
    await this.#server.stop()
  }

  async #kill(): Promise<Over | undefined> {
    if (this.#isDown) return undefined
    this.#isDown = true
    await this.#server.kill()
    return async () => {
      await this.#server.again()
      this.#isDown = false
    }
  }

  async #ask<T>(question: (client: pg.Client) => Promise<T>): Promise<T | undefined> {
    if (this.#isDown) return undefined
    const client = new pg.Client({ connectionString: this.#server.url })
    client.on('error', () => {})
    try {
      await client.connect()
      return await question(client)
    } catch {
      // It is killed, or just starting.
      return undefined
    } finally {
      await client.end().catch(() => {})
    }
  }
}
