/** The statements of the hot path on SQLite: written with Kysely, compiled and prepared once, run without it. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Compilable, Kysely, SelectQueryBuilder } from 'kysely'
import type { Due, Job, Mark, NewJob } from '../model/job.ts'
import { sql } from './kysely.ts'
import { BYTES, COLUMNS, jobOf, type Row, storedOf, textOf } from './row.ts'
import type { Schema } from './schema.ts'
import type { Stretch } from './store.ts'

const BEFORE_ALL: Due = { due: Number.MIN_SAFE_INTEGER, seq: 0 }

/** For so many a list costs more than it saves. */
const FEW = 4

/** A parameter's place; its value comes with each run. */
const later = <T>() => sql<T>`${null}`

const prepare = (db: DatabaseSync, query: Compilable): StatementSync => db.prepare(query.compile().sql)

export class SqliteStatements {
  readonly #insert: StatementSync
  /** Of jobs of which more is to be kept; most have none of it. */
  readonly #insertOptioned: StatementSync
  readonly #save: StatementSync
  readonly #finish: StatementSync
  readonly #remove: StatementSync
  readonly #removeAll: StatementSync
  readonly #dueThen: Stretches
  readonly #dueLater: Stretches

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
    const more = { awaited: later<number>(), options: later<string>(), priority: later<number>() }
    const [plain, optioned] = [row, { ...row, ...more }].map((values) =>
      prepare(
        db,
        kysely
          .insertInto('jobs')
          .values(values)
          .onConflict((conflict) => conflict.column('id').doNothing()),
      ),
    ) as [StatementSync, StatementSync]
    this.#insert = plain
    this.#insertOptioned = optioned
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
          awaited: later<number>(),
          expires: later<number>(),
          options: later<string>(),
        })
        .where('seq', '=', later<number>()),
    )
    this.#finish = prepare(
      db,
      kysely
        .updateTable('jobs')
        .set({
          state: sql.lit('done'),
          mark: sql`null`,
          awaited: later<number>(),
          result: later<string>(),
          expires: later<number>(),
          kept: later<number>(),
        })
        .where('seq', '=', later<number>()),
    )
    this.#remove = prepare(db, kysely.deleteFrom('jobs').where('seq', '=', later<number>()))
    this.#removeAll = prepare(
      db,
      kysely.deleteFrom('jobs').where('seq', 'in', sql<number>`(select value from json_each(${null}))`),
    )
    const queued = kysely
      .selectFrom('jobs')
      .where('state', '=', sql.lit('queued'))
      .where('priority', '=', later<number>())
      .orderBy('due')
      .orderBy('seq')
      .limit(later<number>())
    this.#dueThen = new Stretches(
      db,
      kysely,
      queued.where('due', '=', later<number>()).where('seq', '>', later<number>()),
    )
    this.#dueLater = new Stretches(db, kysely, queued.where('due', '>', later<number>()))
  }

  /** @returns the job with its sequence number, or `undefined` where its id was there already */
  insert(job: NewJob): Job | undefined {
    const { id, task, args, state, due, created, priority, reason, awaited, options } = job
    const isPlain = awaited === null && options === null && priority === 0
    const { changes, lastInsertRowid } = isPlain
      ? this.#insert.run(id, task, args, state, due, created, reason)
      : this.#insertOptioned.run(
          id,
          task,
          args,
          state,
          due,
          created,
          reason,
          awaited,
          textOf(options),
          priority,
        )
    if (changes === 0) return undefined
    return storedOf(job, Number(lastInsertRowid), null)
  }

  save(job: Job): void {
    if (job.state === 'done') {
      this.#finish.run(job.awaited, job.result, job.expires, job.kept, job.seq)
      return
    }
    const failure = job.failure === null ? null : JSON.stringify(job.failure)
    const failures = job.failures.length === 0 ? null : JSON.stringify(job.failures)
    const { state, due, attempts, failedAt, reason, mark, awaited, expires, options, seq } = job
    this.#save.run(
      state,
      due,
      attempts,
      failedAt,
      failure,
      reason,
      mark,
      failures,
      awaited,
      expires,
      textOf(options),
      seq,
    )
  }

  /** Many by one statement: 1.7 µs a row in place of 2.2. */
  remove(jobs: readonly Job[]): void {
    if (jobs.length > FEW) this.#removeAll.run(JSON.stringify(jobs.map(({ seq }) => seq)))
    else for (const { seq } of jobs) this.#remove.run(seq)
  }

  /**
   * Two statements: of a comparison of (due, seq) SQLite takes only `due` for the index, and where a million jobs are due
   * at one moment it would begin with the first of them each time.
   */
  nearest(priority: number, limit: number, most: number, after: Due = BEFORE_ALL): Stretch {
    const [rows, bytes] = this.#dueThen.read(limit, most, priority, after.due, after.seq)
    if (rows.length >= limit || bytes > most)
      return { jobs: rows.map((row) => jobOf(row, null)), isCut: true }
    const [more, moreBytes] = this.#dueLater.read(limit - rows.length, most - bytes, priority, after.due)
    rows.push(...more)
    return {
      jobs: rows.map((row) => jobOf(row, null)),
      isCut: rows.length >= limit || bytes + moreBytes > most,
    }
  }
}

/**
 * The first rows of a query, up to so many and so many bytes. How many bytes they take is asked first: 0.12 µs a row, where
 * reading them takes 0.75 and reading them one by one, to see where they become too large, 1.0 (medians of 1,024 rows of 100 bytes).
 */
class Stretches {
  readonly #bytes: StatementSync
  readonly #rows: StatementSync

  constructor(db: DatabaseSync, kysely: Kysely<Schema>, query: SelectQueryBuilder<Schema, 'jobs', object>) {
    const sizes = query.select(sql<number>`${sql.raw(BYTES)}`.as('bytes')).as('sizes')
    this.#bytes = prepare(
      db,
      kysely
        .selectFrom(sizes)
        .select(({ fn }) => fn.coalesce(fn.sum<number>('bytes'), sql.lit(0)).as('bytes')),
    )
    this.#rows = prepare(db, query.select(COLUMNS))
    this.#rows.setReturnArrays(true)
  }

  /** @returns rows, of which the last may exceed `most`, and their bytes */
  read(limit: number, most: number, ...from: number[]): [rows: Row[], bytes: number] {
    const all = Number(this.#bytes.get(...from, limit)?.bytes)
    if (all <= most) return [this.#rows.all(...from, limit) as unknown as Row[], all]
    const rows: Row[] = []
    let bytes = 0
    for (const row of this.#rows.iterate(...from, limit) as Iterable<unknown>) {
      rows.push(row as Row)
      bytes += bytesOf(row as Row)
      if (bytes > most) break
    }
    return [rows, bytes]
  }
}

const bytesOf = ([, , , args, , , , , , failure, , , failures]: Row): number =>
  Buffer.byteLength(args) + Buffer.byteLength(failure ?? '') + Buffer.byteLength(failures ?? '')
