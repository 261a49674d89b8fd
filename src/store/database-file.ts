/** The file of an embedded database: where it is, how it is opened, and what is wrong with it. No Kysely: a command that asks the daemon does without. */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DatabaseError } from '../model/errors.ts'
import { masked } from '../model/masked.ts'

/** How long a statement waits for another process's lock, ms; in WAL mode only writers meet. */
const BUSY_TIMEOUT = 5000

/** Arguments are nobody's to read but the daemon's user's, nor is the folder that is made for them. */
const MODE = 0o600
export const FOLDER_MODE = 0o700

/** @returns the file that `sqlite:PATH` names, relative paths taken from the project's folder. */
export const databaseFile = (database: string, root: string): string => {
  const path = database.replace(/^sqlite:(\/\/(?=\/))?/, '')
  return isAbsolute(path) ? path : join(root, path)
}

/**
 * Makes a file where there is none, for SQLite to open: its own would be for everybody to read. The files beside it get
 * the rights of the database.
 */
export const makePrivate = (file: string): void => {
  try {
    closeSync(openSync(file, 'ax', MODE))
  } catch {
    // It is there, or cannot be: SQLite says which.
  }
}

/**
 * Opens a database file, made with its folder where it is not there, so that a commit that returned survives a power
 * cut: WAL with synchronous=FULL, and on macOS the two pragmas that make fsync reach the disk.
 *
 * @throws DatabaseError
 */
export const openFile = (file: string): DatabaseSync => {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dirname(file), { recursive: true, mode: FOLDER_MODE })
    makePrivate(file)
    db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT })
    db.exec('pragma journal_mode = wal; pragma synchronous = full')
    if (process.platform === 'darwin') db.exec('pragma fullfsync = 1; pragma checkpoint_fullfsync = 1')
    return db
  } catch (error) {
    db?.close()
    throw cannotOpen(file, error as Error)
  }
}

const ANOTHER = 'or name another (--database, ZTASKD_DATABASE)'
const CHECK = `Check the path and its rights, ${ANOTHER}.`
const FREE = `Free space on its disk, ${ANOTHER}.`
const WAIT = `Another process writes to it and does not end: end that one, wait until it has ended, ${ANOTHER}.`
const REPLACE = `Put a copy back, move the file away to begin without its jobs, ${ANOTHER}.`

/** By SQLite's result code, https://www.sqlite.org/rescode.html: what is wrong with a file, and not with a statement. */
const CURES: Readonly<Record<number, string>> = {
  3: CHECK, // SQLITE_PERM
  5: WAIT, // SQLITE_BUSY
  8: CHECK, // SQLITE_READONLY
  10: FREE, // SQLITE_IOERR: a quota or a limit of the process says so, too
  11: REPLACE, // SQLITE_CORRUPT
  13: FREE, // SQLITE_FULL
  14: CHECK, // SQLITE_CANTOPEN
  26: REPLACE, // SQLITE_NOTADB
}

const cureOf = (cause: Error): string | undefined => {
  const { errcode } = cause as { errcode?: unknown }
  // The extended codes have the primary one in their lowest byte.
  return typeof errcode === 'number' ? CURES[errcode & 0xff] : undefined
}

/** @returns the error for a file that is no database, or that this user may not write */
export const cannotOpen = (file: string, cause: Error): DatabaseError =>
  failure(file, 'opened', cause, cureOf(cause) ?? CHECK)

/** @returns a DatabaseError with the file and the cure, where a statement failed for a fault of the file; else the error */
export const explained = (file: string, error: Error): Error => {
  const cure = cureOf(error)
  if (cure === undefined) return error
  return failure(file, 'used', error, cure)
}

/** The path stands in what the system says against it, too. */
const failure = (file: string, done: 'opened' | 'used', cause: Error, cure: string): DatabaseError =>
  new DatabaseError(
    `The database ${masked(file)} cannot be ${done}: ${masked(cause.message)}. ${cure}`,
    { file: masked(file) },
    { cause },
  )
