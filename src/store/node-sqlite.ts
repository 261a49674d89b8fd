/** Kysely over the SQLite that Node brings: no native driver to compile. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { SqliteDatabase } from 'kysely'
import { explained } from './database-file.ts'
import { Kysely, SqliteAdapter, SqliteDialect } from './kysely.ts'
import type { Schema } from './schema.ts'

const explain = <T>(file: string, run: () => T): T => {
  try {
    return run()
  } catch (error) {
    throw explained(file, error as Error)
  }
}

/** The shape that Kysely's dialect expects, which is better-sqlite3's: parameters as a list, `reader` for statements with rows. */
const adapt = (db: DatabaseSync, file: string): SqliteDatabase => ({
  close: () => db.close(),
  prepare: (sql) => {
    const statement = explain(file, () => db.prepare(sql))
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => explain(file, () => statement.all(...(parameters as SQLInputValue[]))),
      run: (parameters) => explain(file, () => statement.run(...(parameters as SQLInputValue[]))),
      iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
    }
  },
})

/** SQLite's DDL is transactional (https://www.sqlite.org/lang_transaction.html): a kill leaves a migration whole or undone. */
class Adapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class Dialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new Adapter()
  }
}

export const kyselyOver = (db: DatabaseSync, file: string): Kysely<Schema> =>
  new Kysely<Schema>({ dialect: new Dialect({ database: adapt(db, file) }) })
