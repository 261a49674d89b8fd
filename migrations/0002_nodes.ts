import type { Kysely } from 'kysely'

/** One row a daemon: how often it started (the boot number begins its runs' numbers) and where it can be found. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable('nodes')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('boot', 'integer', (column) => column.notNull())
    .addColumn('pid', 'integer', (column) => column.notNull())
    .addColumn('url', 'text', (column) => column.notNull())
    .addColumn('started', 'integer', (column) => column.notNull())
    .execute()
}
