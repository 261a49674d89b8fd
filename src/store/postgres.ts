/** The store on PostgreSQL. */
import { hash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import pg from 'pg'
import type { Due, Job } from '../model/job.ts'
import { Kysely as KyselyClass, PostgresDialect, sql } from './kysely.ts'
import { KyselyStore } from './kysely-store.ts'
import { countJobs, listPage } from './postgres-list.ts'
import {
  CLAIMS_A_NODE,
  type ClaimedRow,
  claimedOf,
  type FoundRow,
  foundOf,
  insertedOf,
  PostgresStatements,
  type Prepared,
  type SummedRow,
  stretchOf,
  type TakenRow,
} from './postgres-statements.ts'
import { jobOf, type Row } from './row.ts'
import type { Schema } from './schema.ts'
import type {
  Batch,
  Committed,
  NodeRecord,
  Renewal,
  Selection,
  SharedStore,
  StoredCounts,
  Stretch,
  Word,
} from './store.ts'

/** int8, of which none of ours is beyond 2^53: https://www.postgresql.org/docs/current/catalog-pg-type.html */
const INT8 = 20
/** For how long what is to be said waits for more, ms. */
const SAY_PAUSE = 20
/** Words of one notification, which has at most 8,000 bytes. */
const MOST_WORDS = 80
const LISTEN_AGAIN = 500
/** ms */
const CONNECT_TIMEOUT = 10_000
/** After how long the answer to a statement of the hot path is given up, ms: its connection may be over, and not know it. */
const ANSWER_TIMEOUT = 30_000
/** For how long it is waited for that connections end, ms. */
const CLOSE_PATIENCE = 5000
/** Of a lease, for how long the answer to its renewal is waited for on a connection. */
const PATIENCE_SHARE = 0.1
/**
 * After how many rows that went the table is vacuumed: the server does so by itself once a minute at most. 400,000 jobs without left
 * 54 MB of table and 12 of indexes, with it 7 and 3, for 2 to 3% of the speed (shared figures of the design).
 */
const VACUUM_AFTER = 50_000
/** At how many renewals what was claimed in doubt is let go. */
const LET_GO_TIMES = 4
/**
 * By class, https://www.postgresql.org/docs/current/errcodes-appendix.html: data exception, integrity constraint violation, program limit
 * exceeded, and what a trigger of the user's raises.
 */
const JOBS_FAULTS = ['22', '23', '54', 'P0']
/** Connection exception, operator intervention (a server that ends): a statement that was sent may have been committed. */
const MAYBE_WRITTEN = ['08', '57']
/**
 * For statements whose plan must not depend on how large the table was when they were planned: a plan that reads all of it
 * costs 7.3 ms a row at 100,000 rows, an index 0.035 (shared figures of the design).
 */
export const SETTINGS = [
  'synchronous_commit = on',
  'enable_seqscan = off',
  'enable_bitmapscan = off',
  'enable_hashjoin = off',
  'enable_mergejoin = off',
  'plan_cache_mode = force_generic_plan',
  'jit = off',
]

const SET_ALL = SETTINGS.map((setting) => `set ${setting}`).join('; ')

export interface PostgresOptions {
  readonly url: string
  /** The schema of the tables. */
  readonly schema: string
  /** After how long the answer to a statement of a daemon's is given up, ms. */
  readonly answerTimeout?: number
}

export class PostgresStore extends KyselyStore implements SharedStore {
  /** For migrations, and what commands ask: on connections of its own. */
  readonly kysely: Kysely<Schema>
  readonly schema: string
  /** One connection: new jobs, and claims of those that wait. */
  readonly #arrivals: pg.Pool
  /** One connection: what becomes of jobs, and what is read of it, which is then told before. */
  readonly #changes: pg.Pool
  readonly #statements: PostgresStatements
  /** The number of this start; 0 before it: a command claims nothing. */
  #node = 0
  #count = 0
  /** For all that nobody hurries with; a migration may take its time. */
  readonly #others: pg.Pool
  readonly #config: pg.PoolConfig
  readonly #limit: { readonly query_timeout: number }
  #saying: NodeJS.Timeout | undefined
  #words: Word[] = []
  /** Rows that went since the last vacuum. */
  #removed = 0
  #listener: pg.Client | undefined
  #closed = false
  /** Jobs of which something was written, perhaps, and that was not told. */
  readonly #unsure = new Set<number>()
  /** Claims of statements whose answers were lost, and how often they are still to be let go. */
  readonly #doubtful = new Map<number, number>()
  #hear: (word: Word) => void = () => {}
  /** Errors of what has not left this process. */
  readonly #unsent = new WeakSet<Error>()
  /** Errors of commits of which the new jobs are stored, perhaps. */
  readonly #maybe = new WeakSet<Error>()

  constructor({ url, schema, answerTimeout = ANSWER_TIMEOUT }: PostgresOptions) {
    super()
    this.schema = schema
    const config: pg.PoolConfig = {
      connectionString: url,
      application_name: 'ztask',
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT,
      types: {
        getTypeParser: (oid: number, format: never) =>
          oid === INT8 ? Number : pg.types.getTypeParser(oid, format),
      } as pg.CustomTypesConfig,
    }
    this.#limit = { query_timeout: answerTimeout }
    this.#config = { ...config, ...this.#limit }
    const hot = { ...this.#config, max: 1, idleTimeoutMillis: 0 }
    this.#arrivals = new pg.Pool(hot)
    this.#changes = new pg.Pool(hot)
    this.#others = new pg.Pool({ ...config, max: 2, idleTimeoutMillis: 1000, allowExitOnIdle: true })
    for (const pool of [this.#arrivals, this.#changes, this.#others]) {
      // A connection that breaks: whoever uses it is told by his statement, and who comes next has another.
      pool.on('error', () => {})
      pool.on('connect', (client) => client.on('error', () => {}))
    }
    for (const pool of [this.#arrivals, this.#changes])
      pool.on('connect', (client) => {
        client.query(SET_ALL).catch(() => {})
      })
    this.kysely = new KyselyClass<Schema>({
      dialect: new PostgresDialect({ pool: this.#others }),
    }).withSchema(schema)
    this.#statements = new PostgresStatements(pg.escapeIdentifier(schema))
  }

  /**
   * New jobs and changes on two connections at once: of 64 in flight that is 7% faster than one after the other, of 1,000 13%
   * (shared figures of the design).
   */
  async commit(batch: Batch): Promise<Committed> {
    const isOne = this.#isInOrder(batch)
    const inserting = this.#insert(batch)
    if (isOne) await inserting
    const [inserted, lost] = await Promise.allSettled([inserting, this.#change(batch)])
    if (inserted.status === 'fulfilled' && lost.status === 'fulfilled')
      return { inserted: inserted.value, lost: lost.value }
    throw this.#halfDone(batch, inserted, lost)
  }

  /** Whether what is to be removed comes anew: after it its row would be stored a second time. */
  #isInOrder({ insert, remove }: Batch): boolean {
    if (insert.length === 0 || remove.length === 0) return false
    const ids = new Set(remove.map(({ id }) => id))
    return insert.some(({ id }) => ids.has(id))
  }

  /** All of it is committed again: what was written is then found written. @returns why */
  #halfDone(
    { save, mark = [], remove }: Batch,
    inserted: PromiseSettledResult<readonly Job[]>,
    changed: PromiseSettledResult<unknown>,
  ): Error {
    const errors = [inserted, changed].flatMap((one) =>
      one.status === 'rejected' ? [one.reason as Error] : [],
    )
    const outage = errors.find((error) => !this.isJobsFault(error))
    const error = outage ?? (errors[0] as Error)
    if (changed.status === 'fulfilled' || this.mayBeStored(changed.reason))
      for (const { seq } of [...save, ...mark, ...remove]) this.#unsure.add(seq)
    if (inserted.status === 'fulfilled') {
      this.#maybe.add(error)
      // When they are found stored it is not told that they are in hand: they are free.
      for (const { claim } of inserted.value) if (claim !== null) this.#doubtful.set(claim, 1)
      this.#letGo().catch(() => {})
      this.#hear({ kind: 'free' })
    }
    return error
  }

  async #insert({ insert, claims: most = 0 }: Batch): Promise<readonly Job[]> {
    if (insert.length === 0) return []
    const now = Date.now()
    let left = most
    const claim = this.#claim
    const claims = insert.map(({ state, due }) => {
      if (left === 0 || state !== 'queued' || due > now) return null
      left--
      return claim
    })
    const statement = this.#statements.insert(insert, claims)
    const rows = await this.#doubting(claim, this.#run<readonly [string, number]>(this.#arrivals, statement))
    if (insert.some(({ state }, at) => claims[at] === null && state === 'queued')) this.say({ kind: 'free' })
    // What a start has claimed that was taken for dead meanwhile is others'.
    return insertedOf(insert, this.#isMine(claim) ? claims : [], rows)
  }

  /** @returns those that are another's */
  async #change({ save, mark = [], remove }: Batch): Promise<readonly Job[]> {
    const gone = new Set(remove.map(({ seq }) => seq))
    const saved = lastOf(save, gone)
    const marked = lastOf(
      mark.filter(({ seq }) => !gone.has(seq)),
      new Set(saved.map(({ seq }) => seq)),
    )
    const statement = this.#statements.change(saved, marked, remove)
    if (statement === undefined) return []
    const rows = await this.#run<readonly [number]>(this.#changes, statement)
    this.#removed += remove.length
    if (this.#removed >= VACUUM_AFTER) this.#vacuum()
    if (saved.some(({ state }) => state === 'queued')) this.say({ kind: 'free' })
    const all = [...saved, ...marked, ...remove]
    if (this.#unsure.size === 0 && rows.length === all.length) return []
    const changed = new Set(rows.flat())
    const rest = all.filter(({ seq }) => !changed.has(seq))
    // What a commit has written whose answer was lost is not found as it was; what it has removed is not there.
    const unsure = rest.filter(
      ({ seq, claim }) => this.#unsure.delete(seq) && (claim === null || this.#isMine(claim)),
    )
    const there = await this.#there(unsure.filter(({ seq }) => gone.has(seq)))
    const written = new Set(unsure.filter(({ id }) => !there.has(id)))
    return rest.filter((job) => !written.has(job))
  }

  /** @returns the ids of those that have a row */
  async #there(jobs: readonly Job[]): Promise<ReadonlySet<string>> {
    if (jobs.length === 0) return new Set()
    const ids = jobs.map(({ id }) => id)
    const rows = await this.kysely.selectFrom('jobs').select('id').where('id', '=', anyOf(ids)).execute()
    return new Set(rows.map(({ id }) => id))
  }

  /** Beside all else. Who may not is warned by the server, and where another does it, it is left to him. */
  #vacuum(): void {
    this.#removed = 0
    const table = `${pg.escapeIdentifier(this.schema)}.jobs`
    this.#others.query(`vacuum (truncate off, skip_locked) ${table}`).catch(() => {})
  }

  /** Of all that are claimed at once. */
  get #claim(): number {
    return this.#node * CLAIMS_A_NODE + this.#count++
  }

  /** Whether a claim is of this start. */
  #isMine(claim: number): boolean {
    return Math.floor(claim / CLAIMS_A_NODE) === this.#node
  }

  async claim(priority: number, limit: number, now: number): Promise<readonly Job[]> {
    const claim = this.#claim
    const statement = this.#statements.claim(claim, priority, limit, now)
    const rows = await this.#doubting(claim, this.#run<ClaimedRow>(this.#arrivals, statement))
    return this.#isMine(claim) ? rows.map((row) => claimedOf(row, claim, priority)) : []
  }

  async acquire(job: Job): Promise<Job | undefined> {
    if (job.claim !== null) return job
    const claim = this.#claim
    const [row] = await this.#doubting(claim, this.#run(this.#changes, this.#statements.acquire(claim, job)))
    return row === undefined || !this.#isMine(claim) ? undefined : { ...job, claim }
  }

  async release(jobs: readonly Job[]): Promise<void> {
    await this.#run(this.#changes, this.#statements.release(jobs))
    this.say({ kind: 'free' })
  }

  async nextFree(): Promise<number | undefined> {
    const [row] = await this.#run<readonly [number | null]>(this.#arrivals, this.#statements.nextFree())
    return row?.[0] ?? undefined
  }

  /** What is said within a while travels together, as a notification takes a lock of the whole server. */
  say(word: Word): void {
    this.#words.push(word)
    this.#saying ??= setTimeout(() => void this.#say(), SAY_PAUSE)
  }

  async #say(): Promise<void> {
    this.#saying = undefined
    const words = this.#words
    this.#words = []
    try {
      for (const part of partsOf(words)) {
        const payload = JSON.stringify({ from: this.#node, words: part })
        const values = [this.#channel, payload]
        await this.#others.query({
          text: 'select pg_notify($1, $2)',
          values,
          ...this.#limit,
        } as pg.QueryConfig)
      }
    } catch {
      // They look by themselves now and then.
    }
  }

  async want(id: string, until: number): Promise<void> {
    await this.kysely
      .updateTable('jobs')
      .set({ awaited: sql`greatest(awaited, ${until})` })
      .where('id', '=', id)
      .execute()
    this.say({ kind: 'want', id, until })
  }

  async cancel({ id, seq }: Job): Promise<boolean> {
    const { numUpdatedRows } = await this.kysely
      .updateTable('jobs')
      .set({ mark: 'cancelled' })
      .where('id', '=', id)
      .where('seq', '=', seq)
      .where(sql<boolean>`claim is not null and claim / ${CLAIMS_A_NODE} != ${this.#node}`)
      .executeTakeFirst()
    const isAnothers = Number(numUpdatedRows) > 0
    if (isAnothers) this.say({ kind: 'cancel', id })
    return isAnothers
  }

  listen(hear: (word: Word) => void): void {
    this.#hear = hear
    void this.#listen()
  }

  async #listen(): Promise<void> {
    while (!this.#closed) {
      const client = new pg.Client(this.#config)
      const ended = new Promise<void>((resolve) => {
        client.on('error', () => resolve())
        client.on('end', () => resolve())
      })
      try {
        await client.connect()
        await client.query(SET_ALL)
        if (this.#closed) return void client.end()
        this.#listener = client
        client.on('notification', ({ payload }) => {
          const said = saidIn(payload)
          if (said !== undefined && said.from !== this.#node) for (const word of said.words) this.#hear(word)
        })
        await client.query(`listen ${pg.escapeIdentifier(this.#channel)}`)
        // What was said meanwhile.
        this.#hear({ kind: 'free' })
        await ended
        this.#listener = undefined
      } catch {
        this.#listener = undefined
        await client.end().catch(() => {})
      }
      await pause(LISTEN_AGAIN)
    }
  }

  get #channel(): string {
    // Of a long name the server would cut the end.
    return `ztask_${hash('sha256', this.schema).slice(0, 16)}`
  }

  async renew(lease: number, takesOver: boolean): Promise<Renewal> {
    const claim = this.#claim
    const statement = this.#statements.renew(this.#node, claim, lease, takesOver)
    const rows = await this.#doubting(
      claim,
      this.#renewed<TakenRow>(statement, Math.min(lease * PATIENCE_SHARE, this.#limit.query_timeout)),
    )
    const underWay = rows
      .filter((row) => row.at(-3) !== null)
      .map((row) => jobOf(row as readonly unknown[] as Row, claim))
    const [mine, taken] = (rows[0]?.slice(-2) ?? []) as [number, number]
    // It may have to wait for a commit.
    this.#letGo().catch(() => {})
    return { isAlive: mine > 0, taken, underWay }
  }

  /**
   * On the connection that hears others: so it waits behind no commit, and where nothing can be heard any more, and nobody has
   * said so, that is noticed; then on another.
   */
  async #renewed<T extends readonly unknown[]>(statement: Prepared, patience: number): Promise<T[]> {
    const listener = this.#listener
    if (listener !== undefined)
      try {
        return await ask<T>(listener, statement, patience)
      } catch (error) {
        if (codeOf(error as Error) !== undefined) throw error
        void listener.end()
      }
    return this.#run<T>(this.#changes, statement, patience)
  }

  /** The statement may still be executed, on a connection that is lost here: a few times over. */
  async #letGo(): Promise<void> {
    if (this.#doubtful.size === 0) return
    const sent = [...this.#doubtful]
    const rows = await this.#run(this.#changes, this.#statements.letGo(sent.map(([claim]) => claim)))
    for (const [claim, times] of sent)
      if (times > 1) this.#doubtful.set(claim, times - 1)
      else this.#doubtful.delete(claim)
    if (rows.length === 0) return
    this.#hear({ kind: 'free' })
    this.say({ kind: 'free' })
  }

  /** What claims jobs, and may do so though its answer is lost: then nobody knows which, and they are let go later. */
  async #doubting<T>(claim: number, claiming: Promise<T>): Promise<T> {
    try {
      return await claiming
    } catch (error) {
      if (this.mayBeStored(error as Error)) this.#doubtful.set(claim, LET_GO_TIMES)
      throw error
    }
  }

  async #run<T extends readonly unknown[]>(
    pool: pg.Pool,
    statement: Prepared,
    patience?: number,
  ): Promise<T[]> {
    let client: pg.PoolClient
    try {
      client = await pool.connect()
    } catch (error) {
      this.#unsent.add(error as Error)
      throw error
    }
    try {
      const rows = await ask<T>(client, statement, patience)
      client.release()
      return rows
    } catch (error) {
      // What has no code of the server's comes of the connection.
      client.release(codeOf(error as Error) === undefined)
      throw error
    }
  }

  mayBeStored(error: Error): boolean {
    if (this.#maybe.has(error)) return true
    if (this.#unsent.has(error)) return false
    const code = codeOf(error)
    return code === undefined || MAYBE_WRITTEN.includes(code.slice(0, 2))
  }

  isJobsFault(error: Error): boolean {
    const code = codeOf(error)
    if (code !== undefined) return JOBS_FAULTS.includes(code.slice(0, 2))
    return error instanceof TypeError || error instanceof RangeError
  }

  async nearest(priority: number, limit: number, most: number, after?: Due): Promise<Stretch> {
    const rows = await this.#run<SummedRow>(
      this.#arrivals,
      this.#statements.nearest(priority, limit, most, after),
    )
    return stretchOf(rows, limit, most)
  }

  async priorities(): Promise<readonly number[]> {
    const rows = await this.#run<[number]>(this.#arrivals, this.#statements.priorities())
    return rows.map(([priority]) => priority)
  }

  async find(id: string): Promise<Job | undefined> {
    const [row] = await this.#run<FoundRow>(this.#changes, this.#statements.find(id))
    if (row === undefined) return undefined
    const job = foundOf(row)
    // A command that is no daemon has the database for itself: nobody lives who has it.
    const isInHand = job.claim !== null && (this.#node === 0 || this.#isMine(job.claim))
    return isInHand ? job : { ...job, claim: null }
  }

  async list(selection: Selection): Promise<readonly Job[]> {
    return listPage(this.kysely, selection)
  }

  async counts(now: number): Promise<StoredCounts> {
    return countJobs(this.kysely, now)
  }

  async retryFailed(now: number, ids?: readonly string[]): Promise<number> {
    const all = this.kysely
      .updateTable('jobs')
      .set({
        ...{ state: 'queued', attempts: 0, due: now, failed_at: null, expires: null },
        // For whoever retries it, it is not too late.
        options: sql<string>`(options::jsonb - 'expiresAt')::text`,
      })
      .where('state', '=', 'failed')
    const { numUpdatedRows } = await (ids === undefined
      ? all
      : all.where('id', '=', anyOf(ids))
    ).executeTakeFirst()
    this.say({ kind: 'free' })
    return Number(numUpdatedRows)
  }

  async deleteFailed(ids?: readonly string[]): Promise<number> {
    const all = this.kysely.deleteFrom('jobs').where('state', '=', 'failed')
    const { numDeletedRows } = await (ids === undefined
      ? all
      : all.where('id', '=', anyOf(ids))
    ).executeTakeFirst()
    return Number(numDeletedRows)
  }

  async free(tasks: readonly string[]): Promise<number> {
    const { numUpdatedRows } = await this.kysely
      .updateTable('jobs')
      .set({ state: 'queued', reason: null })
      .where('state', '=', 'held')
      .where('task', '=', anyOf(tasks))
      .executeTakeFirst()
    this.say({ kind: 'free' })
    return Number(numUpdatedRows)
  }

  async removeExpired(now: number, limit: number, most: number): Promise<number> {
    const { numDeletedRows } = await this.kysely
      .deleteFrom('jobs')
      .where('id', '=', sql<string>`any(array(${this.expired(now, limit, most).select('id')}))`)
      .executeTakeFirst()
    return Number(numDeletedRows)
  }

  async boot(pid: number, url: string, now: number): Promise<number> {
    await this.#buryOwn()
    const row = { pid, url, started: now, host: HOST, seen: sql`clock_timestamp()` }
    const { id } = await this.kysely
      .insertInto('nodes')
      .values(row as never)
      .returning('id')
      .executeTakeFirstOrThrow()
    this.#node = id
    return id
  }

  /** Those of this host whose process is not there any more need not be waited for. */
  async #buryOwn(): Promise<void> {
    const here = await sql<{
      id: number
      pid: number
    }>`select id, pid from ${sql.id(this.schema, 'nodes')} where host = ${HOST}`.execute(this.kysely)
    const dead = here.rows.filter(({ pid }) => !isAlive(pid)).map(({ id }) => id)
    if (dead.length > 0)
      await sql`update ${sql.id(this.schema, 'nodes')} set seen = '-infinity' where id = any(${dead})`.execute(
        this.kysely,
      )
  }

  async node(): Promise<NodeRecord | undefined> {
    return this.kysely
      .selectFrom('nodes')
      .select(['id as boot', 'pid', 'url', 'started'])
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst()
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#saying)
    // A server that does not answer says no goodbye either.
    await Promise.race([this.#end(), pause(CLOSE_PATIENCE, undefined, { ref: false })])
  }

  async #end(): Promise<void> {
    await this.#listener?.end().catch(() => {})
    if (this.#node > 0) {
      await this.#run(this.#changes, this.#statements.leave(this.#node)).catch(() => {})
      this.#words.push({ kind: 'free' })
      await this.#say()
    }
    await Promise.all([this.#arrivals.end(), this.#changes.end()])
    await this.kysely.destroy()
  }
}

/** @param patience ms; else the connection's own */
const ask = async <T extends readonly unknown[]>(
  client: pg.ClientBase,
  { name, text, values }: Prepared,
  patience?: number,
): Promise<T[]> => {
  const limit = patience === undefined ? {} : { query_timeout: patience }
  const { rows } = await client.query<unknown[]>({
    name,
    text,
    values: [...values],
    rowMode: 'array',
    ...limit,
  })
  return rows as readonly unknown[] as T[]
}

/** @returns of jobs that are there twice the last, without those of some numbers */
const lastOf = (jobs: readonly Job[], but: ReadonlySet<number>): Job[] =>
  [...new Map(jobs.map((job) => [job.seq, job])).values()].filter(({ seq }) => !but.has(seq))

/** @returns what another daemon has said; nothing where it is something else: whoever uses the database may speak there */
const saidIn = (payload: string | undefined): { from: number; words: readonly Word[] } | undefined => {
  try {
    const { from, words } = JSON.parse(payload ?? '')
    return Array.isArray(words) ? { from, words } : undefined
  } catch {
    return undefined
  }
}

/** @returns the words, so many at a time, each once */
const partsOf = (words: readonly Word[]): Word[][] => {
  const once = [...new Map(words.map((word) => [JSON.stringify(word), word])).values()]
  return Array.from({ length: Math.ceil(once.length / MOST_WORDS) }, (_, at) =>
    once.slice(at * MOST_WORDS, (at + 1) * MOST_WORDS),
  )
}

/** Whose processes are known by their numbers here: of this host, and where it has several, of this container. */
const HOST = ((): string => {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${hostname()} ${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
})()

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const anyOf = (values: readonly string[]) => sql<string>`any(${values})`

/** @returns the five characters by which the server names an error */
const codeOf = (error: Error): string | undefined =>
  error instanceof pg.DatabaseError ? error.code : undefined
