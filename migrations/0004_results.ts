import type { Kysely } from 'kysely'

/**
 * What a task returned, for whoever waits for it: `awaited`, until when somebody does; `result`, of a job that is done; and
 * `expires`, when the row of a job that is done or has failed goes; `kept`, until when a result is kept whoever has it. `options`, as JSON, is what a call says of its job.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema.alterTable('jobs').addColumn('awaited', 'bigint').execute()
  await db.schema.alterTable('jobs').addColumn('result', 'text').execute()
  await db.schema.alterTable('jobs').addColumn('expires', 'bigint').execute()
  await db.schema.alterTable('jobs').addColumn('kept', 'bigint').execute()
  await db.schema.alterTable('jobs').addColumn('options', 'text').execute()
  // What is to go next is looked up without reading the rows that stay.
  await db.schema
    .createIndex('jobs_expiring')
    .on('jobs')
    .column('expires')
    .where('expires' as never, 'is not', null)
    .execute()
}
