/** The statements of the hot path on SQLite: written with Kysely, compiled and prepared once, run without it. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Compilable, type Kysely, sql } from 'kysely'
import type { Job, Mark, NewJob, StoredState, Turn } from '../model/job.ts'
import { NONE, type Schema, toJob } from './schema.ts'

/** As `jobOf` takes them. */
const COLUMNS = [
  'seq',
  'id',
  'task',
  'args',
  'state',
  'due',
  'created',
  'attempts',
  'failed_at',
  'failure',
  'reason',
  'mark',
  'failures',
] as const

/** Read as a list: of 5,000 rows node:sqlite makes lists in 3.3 ms, objects in 6.3 (Node 24.21). */
type Row = readonly [
  seq: number,
  id: string,
  task: string,
  args: string,
  state: StoredState,
  due: number,
  created: number,
  attempts: number,
  failedAt: number | null,
  failure: string | null,
  reason: string | null,
  mark: Mark | null,
  failures: string | null,
]

const BEFORE_ALL: Turn = { due: Number.MIN_SAFE_INTEGER, seq: 0 }

/** A parameter's place; its value comes with each run. */
const later = <T>() => sql<T>`${null}`

const prepare = (db: DatabaseSync, query: Compilable): StatementSync => db.prepare(query.compile().sql)

export class SqliteStatements {
  readonly #insert: StatementSync
  readonly #save: StatementSync
  readonly #remove: StatementSync
  readonly #dueThen: StatementSync
  readonly #dueLater: StatementSync

  constructor(db: DatabaseSync, kysely: Kysely<Schema>) {
    const row = {
      id: later<string>(),
      task: later<string>(),
      args: later<string>(),
      state: later<never>(),
      due: later<number>(),
      created: later<number>(),
      attempts: sql<number>`0`,
      reason: later<string>(),
    }
    this.#insert = prepare(
      db,
      kysely
        .insertInto('jobs')
        .values(row)
        .onConflict((conflict) => conflict.column('id').doNothing()),
    )
    this.#save = prepare(
      db,
      kysely
        .updateTable('jobs')
        .set({
          state: later<never>(),
          due: later<number>(),
          attempts: later<number>(),
          failed_at: later<number>(),
          failure: later<string>(),
          reason: later<string>(),
          mark: later<Mark>(),
          failures: later<string>(),
        })
        .where('seq', '=', later<number>()),
    )
    this.#remove = prepare(db, kysely.deleteFrom('jobs').where('seq', '=', later<number>()))
    const queued = kysely
      .selectFrom('jobs')
      .select(COLUMNS)
      .where('state', '=', sql.lit('queued'))
      .orderBy('due')
      .orderBy('seq')
      .limit(later<number>())
    this.#dueThen = prepare(db, queued.where('due', '=', later<number>()).where('seq', '>', later<number>()))
    this.#dueLater = prepare(db, queued.where('due', '>', later<number>()))
    for (const read of [this.#dueThen, this.#dueLater]) read.setReturnArrays(true)
  }

  /** @returns the job with its sequence number, or `undefined` where its id was there already */
  insert(job: NewJob): Job | undefined {
    const { id, task, args, state, due, created, reason } = job
    const { changes, lastInsertRowid } = this.#insert.run(id, task, args, state, due, created, reason)
    if (changes === 0) return undefined
    // Spelt out: a spread costs several times as much, and this is once a job.
    const seq = Number(lastInsertRowid)
    const failure = null
    const failedAt = null
    const mark = null
    const failures = NONE
    return {
      id,
      task,
      args,
      state,
      due,
      created,
      reason,
      seq,
      attempts: 0,
      failure,
      failures,
      failedAt,
      mark,
    }
  }

  save(job: Job): void {
    const failure = job.failure === null ? null : JSON.stringify(job.failure)
    const failures = job.failures.length === 0 ? null : JSON.stringify(job.failures)
    const { state, due, attempts, failedAt, reason, mark, seq } = job
    this.#save.run(state, due, attempts, failedAt, failure, reason, mark, failures, seq)
  }

  remove(job: Job): void {
    this.#remove.run(job.seq)
  }

  /**
   * Two statements: of a comparison of (due, seq) SQLite takes only `due` for the index, and where a million jobs are due
   * at one moment it would begin with the first of them each time.
   */
  nearest(limit: number, after: Turn = BEFORE_ALL): Job[] {
    const rows = rowsOf(this.#dueThen, after.due, after.seq, limit)
    const rest = limit - rows.length
    if (rest > 0) rows.push(...rowsOf(this.#dueLater, after.due, rest))
    return rows.map(jobOf)
  }
}

const rowsOf = (statement: StatementSync, ...values: number[]): Row[] =>
  statement.all(...values) as unknown as Row[]

const jobOf = (row: Row): Job => {
  const [seq, id, task, args, state, due, created, attempts, failed_at, failure, reason, mark, failures] = row
  const names = {
    seq,
    id,
    task,
    args,
    state,
    due,
    created,
    attempts,
    failed_at,
    failure,
    reason,
    mark,
    failures,
  }
  return toJob(names)
}
