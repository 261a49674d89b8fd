/** Lists of jobs, and their counts, read in pages: the master reads them, and serves others between one page and the next. */
import { setImmediate } from 'node:timers/promises'
import type { Expression, ExpressionBuilder, Kysely, SelectQueryBuilder, SqlBool } from 'kysely'
import { type Job, sizeOf, type Turn } from '../model/job.ts'
import { sql } from './kysely.ts'
import { type Schema, toJob } from './schema.ts'
import type { Selection } from './store.ts'

/**
 * Rows that are looked at in one go. Over a million waiting jobs, of which none matches, one statement held up the master
 * for 70 ms; pages hold it up for 3, and the list takes 200.
 */
const ROWS_A_PAGE = 2000
/** Of rows that are counted in an index alone: 1 to 3 ms. Two million in one go held up the master for 47 ms at each `status`. */
const COUNTED_A_PAGE = 50_000

type Rows = SelectQueryBuilder<Schema, 'jobs', object>

/** Literals, and both halves: SQLite takes the index over the rows at rest only where a query says that they are not queued. */
export const resting =
  (state: 'held' | 'failed') =>
  (eb: ExpressionBuilder<Schema, 'jobs'>): Expression<SqlBool> =>
    eb.and([eb('state', '=', sql.lit(state)), eb('state', '!=', sql.lit('queued'))])

/** @returns the pages of rows that one index has by `seq` */
async function* bySeq(rows: Rows, size: number, from = -1): AsyncGenerator<Rows> {
  for (let after = from; ; ) {
    const rest = rows.where('seq', '>', after).orderBy('seq')
    const end = await rest
      .select('seq')
      .offset(size - 1)
      .limit(1)
      .executeTakeFirst()
    yield end === undefined ? rest : rest.where('seq', '<=', end.seq)
    if (end === undefined) return
    after = end.seq
  }
}

/**
 * @returns the pages of queued rows in the order of their turn. Those due at one moment are pages of their own: after a
 *   retry of all failed jobs they are very many, and of a comparison of (due, seq) SQLite takes only `due` for the index,
 *   so that each page began with the first of them.
 */
async function* byTurn(queued: Rows, due: Selection['due'], size: number, from?: Turn): AsyncGenerator<Rows> {
  const until = due?.past ? due.now : Number.MAX_SAFE_INTEGER
  const first = due?.past === false ? due.now : -1
  if (from !== undefined && from.due > first && from.due <= until)
    yield* bySeq(queued.where('due', '=', from.due), size, from.seq)
  for (let after = Math.max(first, from?.due ?? first); ; ) {
    const rest = queued.where('due', '>', after)
    const end = await rest
      .where('due', '<=', until)
      .select('due')
      .orderBy('due')
      .offset(size - 1)
      .limit(1)
      .executeTakeFirst()
    const page = end === undefined ? rest.where('due', '<=', until) : rest.where('due', '<', end.due)
    yield page.orderBy('due').orderBy('seq')
    if (end === undefined) return
    yield* bySeq(queued.where('due', '=', end.due), size)
    after = end.due
  }
}

/** @returns the pages of all rows of a state, or of the queued ones that are due, or not yet */
const pagesOf = (
  kysely: Kysely<Schema>,
  { state, due, after }: Pick<Selection, 'state' | 'due' | 'after'>,
  size: number,
): AsyncGenerator<Rows> => {
  const jobs: Rows = kysely.selectFrom('jobs')
  return state === 'queued'
    ? byTurn(jobs.where('state', '=', sql.lit(state)), due, size, after)
    : bySeq(jobs.where(resting(state)), size, after?.seq)
}

/** @returns how many rows there are; one that comes to a later turn meanwhile may be counted twice, or not at all */
export const countRows = async (
  kysely: Kysely<Schema>,
  selection: Pick<Selection, 'state' | 'due'>,
): Promise<number> => {
  let count = 0
  for await (const page of pagesOf(kysely, selection, COUNTED_A_PAGE)) {
    const { n } = await page
      .clearOrderBy()
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
    count += n
    await setImmediate()
  }
  return count
}

/** As `Store.list`. */
export const listJobs = async (kysely: Kysely<Schema>, selection: Selection): Promise<readonly Job[]> => {
  const { task, since, limit, most = Number.POSITIVE_INFINITY } = selection
  // By seq: a job that comes to a later turn while the list is read is met again.
  const found = new Map<number, Job>()
  let size = 0
  if (limit <= 0) return []
  for await (const page of pagesOf(kysely, selection, ROWS_A_PAGE)) {
    let rows = page
    if (task !== undefined) rows = rows.where('task', '=', task)
    if (since !== undefined) rows = rows.where('created', '>=', since)
    // One by one: a page of large jobs is more than memory should hold.
    for await (const row of rows.selectAll().stream()) {
      if (found.has(row.seq)) continue
      const job = toJob(row)
      found.set(row.seq, job)
      size += sizeOf(job)
      if (found.size >= limit || size >= most) return [...found.values()]
    }
    await setImmediate()
  }
  return [...found.values()]
}
