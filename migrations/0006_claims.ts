import type { Kysely } from 'kysely'

/**
 * On a server, which node has a job in hand: the number of its start, times 2^32, and a number of the claim. In a file all
 * jobs are its one daemon's.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  if (!db.getExecutor().adapter.supportsMultipleConnections) return
  await db.schema.alterTable('jobs').addColumn('claim', 'bigint').execute()
  await db.schema.dropIndex('jobs_by_turn').ifExists().execute()
  await db.schema
    .createIndex('jobs_by_turn')
    .on('jobs')
    .columns(['priority', 'due', 'seq'])
    .where('state' as never, '=', 'queued')
    .where('claim' as never, 'is', null)
    .execute()
  // Of what is in hand little at a time: each renewal of a lease looks for what nobody living has.
  await db.schema
    .createIndex('jobs_claimed')
    .on('jobs')
    .column('claim')
    .where('claim' as never, 'is not', null)
    .execute()
}
