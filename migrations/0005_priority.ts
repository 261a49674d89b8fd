import type { Kysely } from 'kysely'

/** Which of the jobs that are due comes first, the greatest. Each priority is a queue of its own in the index. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .alterTable('jobs')
    .addColumn('priority', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
  await db.schema.dropIndex('jobs_by_turn').ifExists().execute()
  await db.schema
    .createIndex('jobs_by_turn')
    .on('jobs')
    .columns(['priority', 'due', 'seq'])
    .where('state' as never, '=', 'queued')
    .execute()
}
