/** The store on SQLite: one process owns the file, so a claim is a fact in the master's memory and costs no write. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import type { Due, Job, StoredState } from '../model/job.ts'
import { openFile } from './database-file.ts'
import { KyselyStore } from './kysely-store.ts'
import { kyselyOver } from './node-sqlite.ts'
import { type Schema, toJob } from './schema.ts'
import { countRows, listJobs, prioritiesOf, resting } from './sqlite-list.ts'
import { SqliteStatements } from './sqlite-statements.ts'
import type { Batch, Committed, NodeRecord, Selection, Store, StoredCounts, Stretch } from './store.ts'

/** The only row of `nodes`: one daemon owns the database. */
const NODE = 1
/** SQLITE_TOOBIG, SQLITE_CONSTRAINT (a trigger's RAISE too), SQLITE_MISMATCH */
const JOBS_FAULTS = [18, 19, 20]
/**
 * SQLITE_NOMEM, SQLITE_IOERR_FSYNC, _DIR_FSYNC, _SHMSIZE, _SHMMAP: they may come when the last frame of a commit is written,
 * and whoever opens the database next finds it.
 */
const AFTER_WRITING = [7, 1034, 1290, 4874, 5386]
/** SQLITE_BUSY */
const BUSY = 5
/** For how long a commit waits while another process holds the database: less than a call may take, ms. */
const LOCK_PATIENCE = 4000
const LOCK_PAUSE = 10
const LOCK_FORGOTTEN = 1000
/** SQLite's own limit is 32,766 parameters a statement. */
const IDS_A_STATEMENT = 10_000
/** All jobs are this daemon's. */
const NONE_LOST: readonly Job[] = []

export class SqliteStore extends KyselyStore implements Store {
  readonly kysely: Kysely<Schema>
  readonly #db: DatabaseSync
  #prepared: SqliteStatements | undefined
  /** A lock is waited for outside of SQLite from now on: there are others to serve meanwhile. */
  #waitsOutside = false
  /** When another process was found to hold the database, first and lastly, on the monotonic clock. */
  #locked: { readonly since: number; readonly last: number } | undefined

  constructor(file: string, db = openFile(file)) {
    super()
    this.#db = db
    this.kysely = kyselyOver(this.#db, file)
  }

  /** @returns a store in memory, which goes with this process; its tables come with `migrate` */
  static inMemory(): SqliteStore {
    return new SqliteStore(':memory:', new DatabaseSync(':memory:'))
  }

  /** Prepared at the first use: the tables may come only with the migrations. */
  get #statements(): SqliteStatements {
    this.#prepared ??= new SqliteStatements(this.#db, this.kysely)
    return this.#prepared
  }

  async commit(batch: Batch): Promise<Committed> {
    return this.#whenFree(() => this.#commit(batch))
  }

  /** In one piece: no other statement of this connection may get into its transaction. */
  #commit(batch: Batch): Committed {
    const statements = this.#statements
    const inserted: Job[] = []
    this.#db.exec('begin immediate')
    try {
      for (const job of batch.insert) {
        const stored = statements.insert(job)
        if (stored !== undefined) inserted.push(stored)
      }
      for (const job of batch.mark ?? []) statements.save(job)
      for (const job of batch.save) statements.save(job)
      statements.remove(batch.remove)
      this.#db.exec('commit')
    } catch (error) {
      // Some errors (a full disk among them) have rolled back by themselves.
      if (this.#db.isTransaction) this.#db.exec('rollback')
      throw error
    }
    return { inserted, lost: NONE_LOST }
  }

  /**
   * Runs what writes. Where another process holds the database it waits with the event loop free: in SQLite's own wait
   * the daemon would answer nobody. What comes after a wait in vain waits no longer: it has perhaps waited for that one.
   */
  async #whenFree<T>(write: () => T | Promise<T>): Promise<T> {
    if (!this.#waitsOutside) this.#db.exec('pragma busy_timeout = 0')
    this.#waitsOutside = true
    for (;;) {
      try {
        const written = await write()
        this.#locked = undefined
        return written
      } catch (error) {
        if (!isBusy(error as Error)) throw error
        const now = performance.now()
        // One that nobody has looked at for a while is another lock.
        const since =
          this.#locked !== undefined && now - this.#locked.last < LOCK_FORGOTTEN ? this.#locked.since : now
        this.#locked = { since, last: now }
        if (now - since > LOCK_PATIENCE) throw error
      }
      await setTimeout(LOCK_PAUSE)
    }
  }

  mayBeStored(error: Error): boolean {
    const { errcode } = error as Error & { errcode?: number }
    return errcode !== undefined && AFTER_WRITING.includes(errcode)
  }

  isJobsFault(error: Error): boolean {
    const { errcode } = error as Error & { errcode?: number }
    // The lower byte is the primary code: sqlite.org/rescode.html.
    if (errcode !== undefined) return JOBS_FAULTS.includes(errcode & 0xff)
    // Thrown before SQLite saw it: a value that no column takes, a failure that is no JSON. A closed database is neither.
    return error instanceof TypeError || error instanceof RangeError
  }

  async nearest(priority: number, limit: number, most: number, after?: Due): Promise<Stretch> {
    return this.#statements.nearest(priority, limit, most, after)
  }

  async priorities(): Promise<readonly number[]> {
    return prioritiesOf(this.kysely)
  }

  async find(id: string): Promise<Job | undefined> {
    const row = await this.kysely.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
    return row === undefined ? undefined : toJob(row)
  }

  async list(selection: Selection): Promise<readonly Job[]> {
    return listJobs(this.kysely, selection)
  }

  async counts(now: number): Promise<StoredCounts> {
    const count = (state: StoredState, past?: boolean): Promise<number> =>
      countRows(this.kysely, { state, ...(past !== undefined && { due: { now, past } }) })
    const waiting = await count('queued', true)
    const scheduled = await count('queued', false)
    return { waiting, scheduled, held: await count('held'), failed: await count('failed') }
  }

  async retryFailed(now: number, ids?: readonly string[]): Promise<number> {
    return this.#inParts(ids, async (part) => {
      const all = this.kysely
        .updateTable('jobs')
        .set(({ fn, val }) => ({
          ...{ state: 'queued', attempts: 0, due: now, failed_at: null, expires: null },
          // For whoever retries it, it is not too late.
          options: fn<string>('json_remove', ['options', val('$.expiresAt')]),
        }))
        .where(resting('failed'))
      const { numUpdatedRows } = await (part === undefined
        ? all
        : all.where('id', 'in', part)
      ).executeTakeFirst()
      return Number(numUpdatedRows)
    })
  }

  async deleteFailed(ids?: readonly string[]): Promise<number> {
    return this.#inParts(ids, async (part) => {
      const all = this.kysely.deleteFrom('jobs').where(resting('failed'))
      const { numDeletedRows } = await (part === undefined
        ? all
        : all.where('id', 'in', part)
      ).executeTakeFirst()
      return Number(numDeletedRows)
    })
  }

  async free(tasks: readonly string[]): Promise<number> {
    return this.#inParts(tasks, async (part) => {
      const { numUpdatedRows } = await this.kysely
        .updateTable('jobs')
        .set({ state: 'queued', reason: null })
        .where(resting('held'))
        .where('task', 'in', part ?? [])
        .executeTakeFirst()
      return Number(numUpdatedRows)
    })
  }

  async removeExpired(now: number, limit: number, most: number): Promise<number> {
    return this.#whenFree(async () => {
      const { numDeletedRows } = await this.kysely
        .deleteFrom('jobs')
        .where('seq', 'in', this.expired(now, limit, most).select('seq'))
        .executeTakeFirst()
      return Number(numDeletedRows)
    })
  }

  async boot(pid: number, url: string, now: number): Promise<number> {
    const row = { id: NODE, boot: 1, pid, url, started: now }
    const { boot } = await this.kysely
      .insertInto('nodes')
      .values(row)
      .onConflict((conflict) =>
        conflict
          .column('id')
          .doUpdateSet(({ eb }) => ({ boot: eb('nodes.boot', '+', 1), pid, url, started: now })),
      )
      .returning('boot')
      .executeTakeFirstOrThrow()
    return boot
  }

  async node(): Promise<NodeRecord | undefined> {
    return this.kysely
      .selectFrom('nodes')
      .select(['boot', 'pid', 'url', 'started'])
      .where('id', '=', NODE)
      .executeTakeFirst()
  }

  async close(): Promise<void> {
    await this.kysely.destroy()
  }

  async #inParts(
    list: readonly string[] | undefined,
    run: (part: readonly string[] | undefined) => Promise<number>,
  ): Promise<number> {
    if (list === undefined) return this.#whenFree(() => run(undefined))
    let total = 0
    for (let at = 0; at < list.length; at += IDS_A_STATEMENT)
      total += await this.#whenFree(() => run(list.slice(at, at + IDS_A_STATEMENT)))
    return total
  }
}

/** A statement of Kysely's has SQLite's error as its cause. */
const isBusy = (error: Error): boolean => {
  const { errcode } = (error.cause ?? error) as { errcode?: number }
  return errcode !== undefined && (errcode & 0xff) === BUSY
}
