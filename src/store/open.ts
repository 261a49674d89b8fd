/** From the setting `database` to a store. */
import { SqliteStore } from './sqlite.ts'

/** Opens the store; its tables come with `migrate`. */
export const openStore = (file: string): SqliteStore => new SqliteStore(file)
