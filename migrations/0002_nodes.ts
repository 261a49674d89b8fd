import type { Kysely } from 'kysely'

/**
 * Where daemons can be found. In a file one row: how often its daemon started (the boot number begins its runs' numbers). On a
 * server one row a start, whose number is its id: it has claimed what carries that, for as long as it says that it lives.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  const onServer = db.getExecutor().adapter.supportsMultipleConnections
  const place = db.schema
    .createTable('nodes')
    .addColumn('pid', 'integer', (column) => column.notNull())
    .addColumn('url', 'text', (column) => column.notNull())
    .addColumn('started', 'bigint', (column) => column.notNull())
  if (onServer)
    await place
      .addColumn('id', 'bigint', (column) => column.primaryKey().generatedAlwaysAsIdentity())
      .addColumn('host', 'text', (column) => column.notNull())
      .addColumn('seen', 'timestamptz', (column) => column.notNull())
      .execute()
  else
    await place
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .addColumn('boot', 'integer', (column) => column.notNull())
      .execute()
}
