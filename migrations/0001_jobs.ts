import type { CreateTableBuilder, Kysely } from 'kysely'

type Table = CreateTableBuilder<'jobs'>

/** SQLite finds rows by a number that it counts; PostgreSQL by their ids, and a key more would cost each insert. */
const embedded = (table: Table): Table =>
  table
    .addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('id', 'text', (column) => column.notNull().unique())

const onServer = (table: Table): Table =>
  table
    .addColumn('seq', 'bigint', (column) => column.notNull().generatedAlwaysAsIdentity())
    .addColumn('id', 'text', (column) => column.primaryKey())

/**
 * One row a job, deleted when the job has succeeded. Times are epoch milliseconds (B24: the ancestor mixed naive UTC
 * and floats, and had no index).
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable('jobs')
    .$call((table) =>
      db.getExecutor().adapter.supportsMultipleConnections ? onServer(table) : embedded(table),
    )
    .addColumn('task', 'text', (column) => column.notNull())
    .addColumn('args', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('due', 'bigint', (column) => column.notNull())
    .addColumn('created', 'bigint', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('failed_at', 'bigint')
    .addColumn('failure', 'text')
    .addColumn('reason', 'text')
    .execute()
  // Partial, so that failed and held rows, which may be many and old, cost the queue nothing.
  await db.schema
    .createIndex('jobs_by_turn')
    .on('jobs')
    .columns(['due', 'seq'])
    .where('state' as never, '=', 'queued')
    .execute()
  await db.schema
    .createIndex('jobs_at_rest')
    .on('jobs')
    .columns(['state', 'seq'])
    .where('state' as never, '!=', 'queued')
    .execute()
}
