/**
 * One daemon a database: an exclusive transaction held on a file beside it. The kernel frees it however its holder
 * dies, and readers of the database itself are not shut out. (B15: two daemons ran everything twice.)
 */
import { existsSync, mkdirSync, realpathSync, statfsSync } from 'node:fs'
import { dirname, join, parse } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { DatabaseLockedError } from '../model/errors.ts'
import { masked } from '../model/masked.ts'
import { cannotOpen, FOLDER_MODE, makePrivate } from './database-file.ts'

/** `f_type` of statfs(2) on Linux, where locks or WAL's shared memory do not work between hosts. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4266872130: 'SMB2',
  4283649346: 'CIFS',
  1397113167: 'AFS',
  12805120: 'Ceph',
  198183888: 'Lustre',
}

const refuseNetwork = (folder: string): void => {
  if (process.platform !== 'linux') return
  const kind = NETWORK_FILE_SYSTEMS[statfsSync(folder).type >>> 0]
  if (kind !== undefined)
    throw new DatabaseLockedError(
      `${masked(folder)} is on a network file system (${kind}), where SQLite's locks do not hold. Put the database on a local disk: ZTASKD_DATABASE=sqlite:/var/lib/ztask/ztask.db.`,
      { folder: masked(folder), kind },
    )
}

/** @returns the file that the lock is held on, whichever link leads to the database: `ztask.lock` beside `ztask.db` */
export const lockFile = (database: string): string => {
  const { dir, base } = parse(existsSync(database) ? realpathSync(database) : database)
  return join(dir, `${base.replace(/\.db$/, '')}.lock`)
}

export interface DatabaseLock {
  release(): void
}

/** What a lock shuts out: everybody else, or only who would be alone. SQLite's own, https://www.sqlite.org/lockingv3.html */
export type LockKind = 'exclusive' | 'shared'

const TAKE: Readonly<Record<LockKind, string>> = {
  exclusive: 'begin exclusive',
  // A transaction takes its shared lock with its first read.
  shared: 'begin; select count(*) from sqlite_schema',
}

/**
 * Takes the lock of a database.
 *
 * @param wait ms to wait for a holder that is just going
 * @returns the lock, or `undefined` where another process holds it
 * @throws DatabaseLockedError on a network file system, DatabaseError where the file cannot be made
 */
export const takeLock = (
  database: string,
  wait: number,
  kind: LockKind = 'exclusive',
): DatabaseLock | undefined => {
  let db: DatabaseSync | undefined
  try {
    mkdirSync(dirname(database), { recursive: true, mode: FOLDER_MODE })
    refuseNetwork(dirname(database))
    // Whoever can read it can hold it, and keep the daemon from its start.
    makePrivate(lockFile(database))
    db = new DatabaseSync(lockFile(database), { timeout: wait })
    db.exec(TAKE[kind])
  } catch (error) {
    db?.close()
    // SQLITE_BUSY, https://www.sqlite.org/rescode.html#busy
    if ((error as { errcode?: number }).errcode === 5) return undefined
    throw error instanceof DatabaseLockedError ? error : cannotOpen(database, error as Error)
  }
  const held = db
  return { release: () => held.close() }
}
