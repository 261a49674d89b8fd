/** Lists of jobs, and their counts, on PostgreSQL: the server works for them, and the master serves others meanwhile. */
import type { Kysely } from 'kysely'
import { type Job, sizeOf } from '../model/job.ts'
import { sql } from './kysely.ts'
import { type Schema, toJob } from './schema.ts'
import type { Selection, StoredCounts } from './store.ts'

/** Rows that are read in one go: each may be a large one. */
const ROWS_A_PAGE = 200

/** As `Store.list`. */
export const listPage = async (kysely: Kysely<Schema>, selection: Selection): Promise<readonly Job[]> => {
  const { limit, most = Number.POSITIVE_INFINITY } = selection
  const found: Job[] = []
  let size = 0
  for (let { after } = selection; found.length < limit; after = found.at(-1)) {
    const page = Math.min(ROWS_A_PAGE, limit - found.length)
    const rows = await rowsOf(kysely, { ...selection, after })
      .limit(page)
      .execute()
    for (const row of rows) {
      const job = toJob(row)
      found.push(job)
      size += sizeOf(job)
      if (size >= most) return found
    }
    if (rows.length < page) break
  }
  return found
}

const rowsOf = (kysely: Kysely<Schema>, { state, due, task, since, after }: Selection) => {
  let rows = kysely.selectFrom('jobs').selectAll().where('state', '=', state)
  if (task !== undefined) rows = rows.where('task', '=', task)
  if (since !== undefined) rows = rows.where('created', '>=', since)
  if (due !== undefined) rows = rows.where('due', due.past ? '<=' : '>', due.now)
  if (state !== 'queued')
    return (after === undefined ? rows : rows.where('seq', '>', after.seq)).orderBy('seq')
  if (due?.past !== true) {
    if (after !== undefined) rows = rows.where(sql<boolean>`(due, seq) > (${after.due}, ${after.seq})`)
    return rows.orderBy('due').orderBy('seq')
  }
  if (after !== undefined)
    rows = rows.where(sql<boolean>`(-priority, due, seq) > (${-after.priority}, ${after.due}, ${after.seq})`)
  return rows.orderBy('priority', 'desc').orderBy('due').orderBy('seq')
}

/** As `Store.counts`. */
export const countJobs = async (kysely: Kysely<Schema>, now: number): Promise<StoredCounts> => {
  const { fn } = kysely
  return kysely
    .selectFrom('jobs')
    .select([
      fn.countAll<number>().filterWhere('state', '=', 'queued').filterWhere('due', '<=', now).as('waiting'),
      fn.countAll<number>().filterWhere('state', '=', 'queued').filterWhere('due', '>', now).as('scheduled'),
      fn.countAll<number>().filterWhere('state', '=', 'held').as('held'),
      fn.countAll<number>().filterWhere('state', '=', 'failed').as('failed'),
    ])
    .executeTakeFirstOrThrow()
}
