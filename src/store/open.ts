/** From the setting `database` to a store. */
import { isAbsolute, join } from 'node:path'
import { SqliteStore } from './sqlite.ts'

export { explained } from './node-sqlite.ts'

/** @returns the file that `sqlite:PATH` names, relative paths taken from the project's folder. */
export const databaseFile = (database: string, root: string): string => {
  const path = database.replace(/^sqlite:(\/\/(?=\/))?/, '')
  return isAbsolute(path) ? path : join(root, path)
}

/** Opens the store; its tables come with `migrate`. */
export const openStore = (file: string): SqliteStore => new SqliteStore(file)
