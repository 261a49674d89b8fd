/** What the store asks in the same words of either database: nothing of it is in a hurry. */
import type { Kysely } from 'kysely'
import type { Job } from '../model/job.ts'
import { sql } from './kysely.ts'
import { BYTES } from './row.ts'
import { type Schema, toJob } from './schema.ts'

/** Of a record that has ended. */
const RECORD_BYTES = sql<number>`${sql.raw(BYTES)} + coalesce(octet_length(result), 0)`

export abstract class KyselyStore {
  /** For migrations, before any verb is used. */
  abstract readonly kysely: Kysely<Schema>

  async marked(): Promise<readonly Job[]> {
    const rows = await this.kysely.selectFrom('jobs').selectAll().where('mark', 'is not', null).execute()
    return rows.map(toJob)
  }

  async nextExpiry(): Promise<number | undefined> {
    const first = await this.kysely
      .selectFrom('jobs')
      .select('expires')
      .where('expires', 'is not', null)
      .orderBy('expires')
      .limit(1)
      .executeTakeFirst()
    return first?.expires ?? undefined
  }

  /** @returns a query of the records that have expired by `now`, the first `limit`, or those that have so many bytes in all */
  protected expired(now: number, limit: number, most: number) {
    const first = this.kysely
      .selectFrom('jobs')
      .select(['seq', 'id', 'expires', RECORD_BYTES.as('bytes')])
      .where('expires', '<=', now)
      .orderBy('expires')
      .orderBy('seq')
      .limit(limit)
      .as('first')
    const added = this.kysely
      .selectFrom(first)
      .select(({ fn }) => [
        'seq',
        'id',
        'bytes',
        fn
          .sum<number>('bytes')
          .over((over) => over.orderBy('expires').orderBy('seq'))
          .as('total'),
      ])
      .as('added')
    return this.kysely.selectFrom(added).where(({ eb }) => eb(eb('total', '-', eb.ref('bytes')), '<', most))
  }
}
