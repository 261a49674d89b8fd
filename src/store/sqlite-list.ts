/** Lists of jobs, and their counts, read in pages: the master reads them, and serves others between one page and the next. */
import { setImmediate } from 'node:timers/promises'
import type { Expression, ExpressionBuilder, Kysely, SelectQueryBuilder, SqlBool } from 'kysely'
import { byDue, type Due, type Job, sizeOf } from '../model/job.ts'
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

/** Rows of several priorities that are read by their places in one go: each may be a large one. */
const PLACES_A_READ = 16

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

/** @returns the priorities of queued rows, the greatest first: a look into the index for each */
export const prioritiesOf = async (kysely: Kysely<Schema>): Promise<number[]> => {
  const found: number[] = []
  for (let below = Number.MAX_SAFE_INTEGER; ; ) {
    const next = await kysely
      .selectFrom('jobs')
      .select('priority')
      .where('state', '=', sql.lit('queued'))
      .where('priority', '<', below)
      .orderBy('priority', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (next === undefined) return found
    below = next.priority
    found.push(below)
  }
}

/**
 * @returns the pages of queued rows of one priority in the order of their turn. Those due at one moment are pages of their own: after a
 *   retry of all failed jobs they are very many, and of a comparison of (due, seq) SQLite takes only `due` for the index,
 *   so that each page began with the first of them.
 */
async function* queuedPages(
  queued: Rows,
  due: Selection['due'],
  size: number,
  from?: Due,
): AsyncGenerator<Rows> {
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

type Listed = Pick<Selection, 'state' | 'due' | 'after'>

/**
 * @returns the pages of the rows of a state, or of the queued ones that are due, or not yet. Each list of pages is in its
 *   order. The rows of all are in theirs where one list follows the other, if they are due; else where they are merged
 */
const pagesOf = async (
  kysely: Kysely<Schema>,
  selection: Listed,
  size: number,
): Promise<AsyncGenerator<Rows>[]> => {
  const { state, due, after } = selection
  const jobs: Rows = kysely.selectFrom('jobs')
  if (state !== 'queued') return [bySeq(jobs.where(resting(state)), size, after?.seq)]
  const queued = jobs.where('state', '=', sql.lit(state))
  const priorities = await prioritiesOf(kysely)
  return priorities.flatMap((priority) => {
    const rows = queued.where('priority', '=', priority)
    if (after === undefined || !isByTurn(selection)) return queuedPages(rows, due, size, after)
    if (priority > after.priority) return []
    return queuedPages(rows, due, size, priority === after.priority ? after : undefined)
  })
}

/** Whether the rows' priorities come before all else. */
const isByTurn = ({ state, due }: Listed): boolean => state === 'queued' && due?.past === true

/** @returns how many rows there are; one that comes to a later turn meanwhile may be counted twice, or not at all */
export const countRows = async (
  kysely: Kysely<Schema>,
  selection: Pick<Selection, 'state' | 'due'>,
): Promise<number> => {
  let count = 0
  for (const pages of await pagesOf(kysely, selection, COUNTED_A_PAGE))
    for await (const page of pages) {
      const { n } = await page
        .clearOrderBy()
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow()
      count += n
      await setImmediate()
    }
  return count
}

type Filter = Pick<Selection, 'task' | 'since'>

const filtered = (page: Rows, { task, since }: Filter): Rows => {
  const rows = task === undefined ? page : page.where('task', '=', task)
  return since === undefined ? rows : rows.where('created', '>=', since)
}

/** @returns the jobs of several lists of pages, one list after the other */
async function* inTurn(lists: readonly AsyncGenerator<Rows>[], filter: Filter): AsyncGenerator<Job> {
  for (const pages of lists)
    for await (const page of pages) {
      // One by one: a page of large jobs is more than memory should hold.
      for await (const row of filtered(page, filter).selectAll().stream()) yield toJob(row)
      await setImmediate()
    }
}

async function* placesOf(pages: AsyncGenerator<Rows>, filter: Filter): AsyncGenerator<Due> {
  for await (const page of pages) {
    yield* await filtered(page, filter).select(['due', 'seq']).execute()
    await setImmediate()
  }
}

/** @returns the places of several lists by when they are due */
async function* merged(lists: readonly AsyncGenerator<Due>[]): AsyncGenerator<Due> {
  const heads = new Map<AsyncGenerator<Due>, Due>()
  const advance = async (list: AsyncGenerator<Due>): Promise<void> => {
    const { value, done } = await list.next()
    if (done) heads.delete(list)
    else heads.set(list, value)
  }
  for (const list of lists) await advance(list)
  while (heads.size > 0) {
    const [list, place] = [...heads].reduce((first, one) => (byDue(one[1], first[1]) < 0 ? one : first))
    yield place
    await advance(list)
  }
}

/** @returns the jobs of several lists of pages by when they are due. A connection reads one at a time, so their places come first */
async function* inTime(
  kysely: Kysely<Schema>,
  lists: readonly AsyncGenerator<Rows>[],
  filter: Filter,
): AsyncGenerator<Job> {
  let part: Due[] = []
  for await (const place of merged(lists.map((pages) => placesOf(pages, filter)))) {
    if (part.push(place) < PLACES_A_READ) continue
    yield* jobsAt(kysely, part)
    part = []
    await setImmediate()
  }
  yield* jobsAt(kysely, part)
}

/** @returns the queued jobs that stand in these places, in their order; one that has left its own meanwhile is met elsewhere, or no more */
async function* jobsAt(kysely: Kysely<Schema>, places: readonly Due[]): AsyncGenerator<Job> {
  if (places.length === 0) return
  const seqs = places.map(({ seq }) => seq)
  const rows = kysely.selectFrom('jobs').where('state', '=', sql.lit('queued')).where('seq', 'in', seqs)
  const dues = new Map(places.map(({ seq, due }) => [seq, due]))
  const found = new Map<number, Job>()
  for await (const row of rows.selectAll().stream())
    if (dues.get(row.seq) === row.due) found.set(row.seq, toJob(row))
  for (const seq of seqs) {
    const job = found.get(seq)
    if (job !== undefined) yield job
  }
}

/** As `Store.list`. */
export const listJobs = async (kysely: Kysely<Schema>, selection: Selection): Promise<readonly Job[]> => {
  const { limit, most = Number.POSITIVE_INFINITY } = selection
  // By seq: a job that comes to a later turn while the list is read is met again.
  const found = new Map<number, Job>()
  let size = 0
  if (limit <= 0) return []
  const lists = await pagesOf(kysely, selection, ROWS_A_PAGE)
  const isOne = lists.length === 1 || isByTurn(selection)
  for await (const job of isOne ? inTurn(lists, selection) : inTime(kysely, lists, selection)) {
    if (found.has(job.seq)) continue
    found.set(job.seq, job)
    size += sizeOf(job)
    if (found.size >= limit || size >= most) break
  }
  return [...found.values()]
}
