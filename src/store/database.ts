/** Where jobs are kept, as the setting `database` says: in a file, or on a server. What opens either is loaded with the first use. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { masked } from '../model/masked.ts'
import { databaseFile, explained, FOLDER_MODE } from './database-file.ts'
import { type DatabaseLock, type LockKind, takeLock } from './lock.ts'
import type { Migrated } from './migrate.ts'
import type { PostgresOptions } from './postgres.ts'
import { explainedOnServer } from './server-errors.ts'
import type { Store } from './store.ts'

/** The settings that say where jobs are kept. */
export interface Place {
  readonly database: string
  readonly schema: string
}

export type OpenStore = Store & Migrated

export interface Database {
  /** As it may be shown. */
  readonly name: string
  /** How the paths begin of what a daemon keeps of its own, absolute. */
  readonly beside: string
  /** Whether there is something to look at: a look makes nothing. */
  exists(): boolean
  /** Opens the store; its tables come with `migrate`. */
  open(): Promise<OpenStore>
  /**
   * @param kind a daemon's is the only one of a file; of a server daemons hold one together, and commands find out whether one does
   * @returns the lock, or `undefined` where another process holds it for longer than `wait` ms
   */
  takeLock(wait: number, kind?: LockKind | 'daemon'): Promise<DatabaseLock | undefined>
  /** @returns a DatabaseError with the cure, where a fault of the database is the reason; else the error */
  explained(error: Error): Error
}

/** @param root the project's folder, which relative paths are taken from */
export const databaseOf = ({ database, schema }: Place, root: string): Database =>
  database.startsWith('sqlite:')
    ? inFile(databaseFile(database, root))
    : onServer({ url: database, schema }, root)

const inFile = (file: string): Database => ({
  name: masked(file),
  beside: file,
  exists: () => existsSync(file),
  open: async () => new (await import('./sqlite.ts')).SqliteStore(file),
  takeLock: async (wait, kind) => takeLock(file, wait, kind === 'daemon' ? 'exclusive' : kind),
  explained: (error) => explained(file, error),
})

const onServer = (server: PostgresOptions, root: string): Database => {
  const name = masked(server.url)
  const beside = join(root, '.ztask', 'postgres')
  return {
    name,
    beside,
    exists: () => true,
    open: async () => new (await import('./postgres.ts')).PostgresStore(server),
    takeLock: async (wait, kind) => {
      mkdirSync(dirname(beside), { recursive: true, mode: FOLDER_MODE })
      const { takeServerLock } = await import('./postgres-lock.ts')
      return takeServerLock(server, wait, kind === 'daemon' ? 'shared' : 'exclusive').catch(
        (error: Error) => {
          throw explainedOnServer(name, error)
        },
      )
    },
    explained: (error) => explainedOnServer(name, error),
  }
}
