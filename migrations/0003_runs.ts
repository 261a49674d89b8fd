import type { Kysely } from 'kysely'

/**
 * What is known of a job's runs: `mark`, that one is under way, that it is suspect, that it is cancelled; and `failures`,
 * how the latest of them failed, as JSON.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema.alterTable('jobs').addColumn('mark', 'text').execute()
  await db.schema.alterTable('jobs').addColumn('failures', 'text').execute()
  // Read at each start, when the table may hold a million rows and a handful of marks.
  await db.schema
    .createIndex('jobs_marked')
    .on('jobs')
    .column('mark')
    .where('mark' as never, 'is not', null)
    .execute()
}
