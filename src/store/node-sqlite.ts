/** Kysely over the SQLite that Node brings: no native driver to compile. */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Kysely, type SqliteDatabase, SqliteDialect } from 'kysely'
import { DatabaseError } from '../model/errors.ts'
import type { Schema } from './schema.ts'

/** How long a statement waits for another process's lock, ms; in WAL mode only writers meet. */
const BUSY_TIMEOUT = 5000

/**
 * Opens a database file, made with its folder where it is not there, so that a commit that returned survives a power
 * cut: WAL with synchronous=FULL, and on macOS the two pragmas that make fsync reach the disk.
 *
 * @throws DatabaseError
 */
export const openFile = (file: string): DatabaseSync => {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dirname(file), { recursive: true })
    db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT })
    db.exec('pragma journal_mode = wal; pragma synchronous = full')
    if (process.platform === 'darwin') db.exec('pragma fullfsync = 1; pragma checkpoint_fullfsync = 1')
    return db
  } catch (error) {
    db?.close()
    throw cannotOpen(file, error as Error)
  }
}

/** @returns the error for a file that is no database, or that this user may not write */
export const cannotOpen = (file: string, cause: Error): DatabaseError =>
  new DatabaseError(
    `The database ${file} cannot be opened: ${cause.message}. Check the path and its rights, or name another (--database, ZTASKD_DATABASE).`,
    { file },
    { cause },
  )

/** The shape that Kysely's dialect expects, which is better-sqlite3's: parameters as a list, `reader` for statements with rows. */
const adapt = (db: DatabaseSync): SqliteDatabase => ({
  close: () => db.close(),
  prepare: (sql) => {
    const statement = db.prepare(sql)
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
      run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
      iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
    }
  },
})

export const kyselyOver = (db: DatabaseSync): Kysely<Schema> =>
  new Kysely<Schema>({ dialect: new SqliteDialect({ database: adapt(db) }) })
