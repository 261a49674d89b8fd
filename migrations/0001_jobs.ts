import type { Kysely } from 'kysely'

/**
 * One row a job, deleted when the job has succeeded. Times are epoch milliseconds (B24: the ancestor mixed naive UTC
 * and floats, and had no index).
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable('jobs')
    .addColumn('seq', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('id', 'text', (column) => column.notNull().unique())
    .addColumn('task', 'text', (column) => column.notNull())
    .addColumn('args', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('due', 'integer', (column) => column.notNull())
    .addColumn('created', 'integer', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('failed_at', 'integer')
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
