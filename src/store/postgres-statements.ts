/** The statements of the hot path on PostgreSQL: their texts, and what goes into them and comes out. */
import type { Due, Job, Mark, NewJob } from '../model/job.ts'
import { BYTES, COLUMNS, jobOf, type Row, storedOf, textOf } from './row.ts'
import type { Stretch } from './store.ts'

/** A statement that the server plans once for each connection, by its name. */
export interface Prepared {
  readonly name: string
  readonly text: string
  readonly values: readonly unknown[]
}

const BEFORE_ALL: Due = { due: Number.MIN_SAFE_INTEGER, seq: 0 }

/** Claims of one start: 2^32, so that both fit a number of JavaScript's. */
export const CLAIMS_A_NODE = 2 ** 32
const IS_OF = (node: string): string =>
  `jobs.claim >= ${node} * ${CLAIMS_A_NODE} and jobs.claim < (${node} + 1) * ${CLAIMS_A_NODE}`

/** Of no node: what carries it is taken over by who renews next. */
const NOBODYS = 0
/** To be settled by whoever takes it over; any other goes on as it is, whoever claims it. */
const IS_UNDER_WAY = "coalesce(mark, 'suspect') != 'suspect'"

type Column<T> = readonly [name: string, type: string, read: (job: T) => unknown]

/** By which a row is found, while it is in the same hands: its number too, as an id may be another job's by now. */
const KEY: readonly Column<Job>[] = [
  ['id', 'text', ({ id }) => id],
  ['seq', 'bigint', ({ seq }) => seq],
  ['fence', 'bigint', ({ claim }) => claim],
]
const SAVED: readonly Column<Job>[] = [
  ['state', 'text', ({ state }) => state],
  ['due', 'bigint', ({ due }) => due],
  ['attempts', 'integer', ({ attempts }) => attempts],
  ['failed_at', 'bigint', ({ failedAt }) => failedAt],
  ['failure', 'text', ({ failure }) => (failure === null ? null : JSON.stringify(failure))],
  ['reason', 'text', ({ reason }) => reason],
  ['mark', 'text', ({ mark }) => mark],
  ['failures', 'text', ({ failures }) => (failures.length === 0 ? null : JSON.stringify(failures))],
  ['awaited', 'bigint', ({ awaited }) => awaited],
  ['result', 'text', ({ result }) => result],
  ['expires', 'bigint', ({ expires }) => expires],
  ['kept', 'bigint', ({ kept }) => kept],
  ['options', 'text', ({ options }) => textOf(options)],
]

/** What most of those that wait have nothing of: read as one column. */
const MORE = `case when attempts = 0 and num_nonnulls(failed_at, failure, reason, mark, failures, awaited, options) = 0 then null
  else json_build_array(attempts, failed_at, failure, reason, mark, failures, awaited, options)::text end`

export type ClaimedRow = readonly [
  seq: number,
  id: string,
  task: string,
  args: string,
  due: number,
  created: number,
  more: string | null,
]

type More = readonly [
  attempts: number,
  failedAt: number | null,
  failure: string | null,
  reason: string | null,
  mark: Mark | null,
  failures: string | null,
  awaited: number | null,
  options: string | null,
]
const NO_MORE: More = [0, null, null, null, null, null, null, null]

/** @returns what `claim` has claimed */
export const claimedOf = (
  [seq, id, task, args, due, created, more]: ClaimedRow,
  claim: number,
  priority: number,
): Job => {
  const rest = more === null ? NO_MORE : (JSON.parse(more) as More)
  return jobOf([seq, id, task, args, 'queued', due, created, ...rest, priority], claim)
}

const namesOf = <T>(columns: readonly Column<T>[], prefix = ''): string =>
  columns.map(([name]) => `${prefix}${name}`).join(', ')

/** A list a column: of a list of rows the server would have to be told the type. */
const listsOf = <T>(columns: readonly Column<T>[], jobs: readonly T[]): unknown[] =>
  columns.map(([, , read]) => jobs.map(read))

/** By which rows are found that are in hand here. */
const idsAndClaims = (jobs: readonly Job[]): [ids: string[], claims: (number | null)[]] => [
  jobs.map(({ id }) => id),
  [...new Set(jobs.map(({ claim }) => claim))],
]

export class PostgresStatements {
  readonly #jobs: string
  readonly #nodes: string

  /** @param schema its name, quoted */
  constructor(schema: string) {
    this.#jobs = `${schema}.jobs`
    this.#nodes = `${schema}.nodes`
  }

  /**
   * As JSON: lists of columns take the server as long, and this process three times (3.2 ms a thousand, and 1.1).
   *
   * @param claims in whose hands each of them is from the first
   */
  insert(jobs: readonly NewJob[], claims: readonly (number | null)[]): Prepared {
    const given = jobs.map(
      ({ id, task, args, state, due, created, reason, awaited, options, priority }, at) => {
        const claim = claims[at] ?? undefined
        const plain = { id, task, args, state, due, created, claim }
        if (reason === null && awaited === null && options === null && priority === 0) return plain
        return { ...plain, reason, awaited, options: textOf(options), priority }
      },
    )
    return {
      name: 'ztask insert',
      text: `insert into ${this.#jobs} (id, task, args, state, due, created, claim, reason, awaited, options, priority, attempts)
        select id, task, args, state, due, created, claim, reason, awaited, options, coalesce(priority, 0), 0
        from json_to_recordset($1) as given(id text, task text, args text, state text, due bigint, created bigint, claim bigint,
          reason text, awaited bigint, options text, priority integer)
        on conflict (id) do nothing returning id, seq`,
      values: [JSON.stringify(given)],
    }
  }

  /**
   * One statement, whatever has become of jobs: one journey to the server and back. Its parts see the table as it was before
   * all of them. It gives the numbers of those that it has changed.
   */
  change(save: readonly Job[], mark: readonly Job[], remove: readonly Job[]): Prepared | undefined {
    const values: unknown[] = []
    const parts: [name: string, text: string][] = []
    const given = (columns: readonly Column<Job>[], jobs: readonly Job[]): string => {
      const places = columns.map(([, type], at) => `$${values.length + at + 1}::${type}[]`)
      values.push(...listsOf(columns, jobs))
      return `unnest(${places.join(', ')}) as given(${namesOf(columns)})`
    }
    const where = `where jobs.id = given.id and jobs.seq = given.seq and jobs.claim is not distinct from given.fence returning jobs.seq`
    const setsWith = (own: Readonly<Record<string, string>>): string =>
      SAVED.map(([name]) => `${name} = ${own[name] ?? `given.${name}`}`).join(', ')
    // Another daemon may have written it, for whoever waits there, or has cancelled it there.
    const awaited = 'greatest(jobs.awaited, given.awaited)'
    const stays = (where = ''): string =>
      `case when jobs.mark = 'cancelled' ${where} then jobs.mark else given.mark end`
    const update = (sets: string, jobs: readonly Job[]): string =>
      `update ${this.#jobs} as jobs set ${sets} from ${given([...KEY, ...SAVED], jobs)} ${where}`
    if (save.length > 0)
      parts.push([
        'save',
        update(`${setsWith({ awaited, mark: stays("and given.state = 'queued'") })}, claim = null`, save),
      ])
    if (mark.length > 0) parts.push(['mark', update(setsWith({ awaited, mark: stays() }), mark)])
    const [held, free] = [
      remove.filter(({ claim }) => claim !== null),
      remove.filter(({ claim }) => claim === null),
    ]
    if (held.length > 0) {
      // No two claims that are in hand here are of one job. Compared in pairs a thousand take 4.6 ms, so 2.8.
      values.push(...idsAndClaims(held))
      const [ids, claims] = [values.length - 1, values.length]
      parts.push([
        'remove',
        `delete from ${this.#jobs} as jobs where id = any($${ids}::text[]) and claim = any($${claims}::bigint[]) returning jobs.seq`,
      ])
    }
    if (free.length > 0)
      parts.push(['remove free', `delete from ${this.#jobs} as jobs using ${given(KEY, free)} ${where}`])
    const [first] = parts
    if (first === undefined) return undefined
    const name = `ztask ${parts.map(([part]) => part).join(', ')}`
    if (parts.length === 1) return { name, text: first[1], values }
    const withs = parts.map(([part, text]) => `"${part}" as (${text})`).join(', ')
    const all = parts.map(([part]) => `select seq from "${part}"`).join(' union all ')
    return { name, text: `with ${withs} ${all}`, values }
  }

  claim(claim: number, priority: number, limit: number, now: number): Prepared {
    return {
      name: 'ztask claim',
      // An array: a list of rows to be joined became a scan of the whole table.
      text: `update ${this.#jobs} set claim = $1 where id = any(array(select id from ${this.#jobs}
        where state = 'queued' and claim is null and priority = $2 and due <= $3 order by due, seq limit $4 for update skip locked))
        returning seq, id, task, args, due, created, ${MORE}`,
      values: [claim, priority, now, limit],
    }
  }

  acquire(claim: number, { id, seq }: Job): Prepared {
    return {
      name: 'ztask acquire',
      text: `update ${this.#jobs} set claim = $1 where id = $2 and seq = $3 and claim is null returning seq`,
      values: [claim, id, seq],
    }
  }

  release(jobs: readonly Job[]): Prepared {
    return {
      name: 'ztask release',
      text: `update ${this.#jobs} set claim = null where id = any($1::text[]) and claim = any($2::bigint[])`,
      values: idsAndClaims(jobs),
    }
  }

  /** Of each priority the next. */
  nextFree(): Prepared {
    const first = (of: string): string =>
      `(select due from ${this.#jobs} where state = 'queued' and claim is null and priority = ${of} order by due, seq limit 1)`
    const { text } = this.priorities()
    return {
      name: 'ztask next free',
      text: `select min(due) from (select ${first('used.priority')} as due from (${text}) as used) as dues`,
      values: [],
    }
  }

  /**
   * This node lives; what is in the hands of none that does is taken over: what was under way goes to who asks, the rest is
   * free. By what is in hand, and not by who has died: a claim may be committed after its node was given up. Who has not
   * renewed in time itself, or cannot know who has as the server has just started, takes over from those alone that are known to be
   * dead. One statement, in one order of the rows: nobody takes over half of it.
   */
  renew(node: number, claim: number, lease: number, takesOver: boolean): Prepared {
    const inTime = `seen > clock_timestamp() - $3::float8 * interval '1 millisecond'`
    return {
      name: 'ztask renew',
      text: `with mine as (update ${this.#nodes} set seen = clock_timestamp() where id = $1 returning id),
        knows as (select 1 from ${this.#nodes} where id = $1 and ${inTime}
          and pg_postmaster_start_time() < clock_timestamp() - $3::float8 * interval '1 millisecond'),
        dead as (delete from ${this.#nodes} where id in (select id from ${this.#nodes} where $4::boolean and id != $1
          and (seen = '-infinity' or (exists (select from knows) and not ${inTime})) order by id for update skip locked) returning id),
        taken as (update ${this.#jobs} as jobs set claim = case when ${IS_UNDER_WAY} then $2::bigint end
          where $4::boolean and claim is not null and exists (select from mine)
            and (claim / ${CLAIMS_A_NODE} in (select id from dead)
              or claim / ${CLAIMS_A_NODE} not in (select id from ${this.#nodes}))
          returning jobs.*)
        select ${COLUMNS.map((name) => `taken.${name}`).join(', ')}, taken.claim, (select count(*) from mine), (select count(*) from taken)
        from (select 1) as one left join taken on true`,
      values: [node, claim, lease, takesOver],
    }
  }

  /**
   * What was claimed by statements whose answers were lost is free: nobody knows that it is in hand. What is under way is to be
   * taken over.
   */
  letGo(claims: readonly number[]): Prepared {
    return {
      name: 'ztask let go',
      text: `update ${this.#jobs} set claim = case when ${IS_UNDER_WAY} then ${NOBODYS} end where claim = any($1::bigint[]) returning seq`,
      values: [claims],
    }
  }

  /** This node ends: what it has in hand is free. */
  leave(node: number): Prepared {
    return {
      name: 'ztask leave',
      text: `with gone as (delete from ${this.#nodes} where id = $1 returning id)
        update ${this.#jobs} as jobs set claim = null from gone where ${IS_OF('gone.id')}`,
      values: [node],
    }
  }

  nearest(priority: number, limit: number, most: number, after: Due = BEFORE_ALL): Prepared {
    const rows = `select ${COLUMNS.join(', ')}, ${BYTES} as bytes from ${this.#jobs}
      where state = 'queued' and claim is null and priority = $1 and (due, seq) > ($2, $3) order by due, seq limit $4`
    return {
      name: 'ztask nearest',
      text: `select ${COLUMNS.join(', ')}, total from
        (select *, sum(bytes) over (order by due, seq rows unbounded preceding) as total from (${rows}) as nearest) as summed
        where total - bytes <= $5 order by due, seq`,
      values: [priority, after.due, after.seq, limit, most],
    }
  }

  /** A look into the index for each. */
  priorities(): Prepared {
    const below = (most: string): string =>
      `(select priority from ${this.#jobs} where state = 'queued' and claim is null ${most} order by priority desc limit 1)`
    return {
      name: 'ztask priorities',
      text: `with recursive each(priority) as (${below('')} union all select ${below('and priority < each.priority')} from each where each.priority is not null)
        select priority from each where priority is not null`,
      values: [],
    }
  }

  find(id: string): Prepared {
    return {
      name: 'ztask find',
      text: `select ${COLUMNS.join(', ')}, result, expires, kept, claim from ${this.#jobs} where id = $1`,
      values: [id],
    }
  }
}

export type SummedRow = readonly [...Row, total: number]

/** @returns what `nearest` has read */
export const stretchOf = (rows: readonly SummedRow[], limit: number, most: number): Stretch => ({
  jobs: rows.map((row) => jobOf(row as readonly unknown[] as Row, null)),
  isCut: rows.length >= limit || Number(rows.at(-1)?.at(-1) ?? 0) > most,
})

/** Nulls, where nothing was taken over. */
export type TakenRow = readonly [...Row, claim: number | null, mine: number, taken: number]

export type FoundRow = readonly [
  ...Row,
  result: string | null,
  expires: number | null,
  kept: number | null,
  claim: number | null,
]

/** @returns what `find` has read */
export const foundOf = (row: FoundRow): Job => {
  const [result, expires, kept, claim] = row.slice(-4) as [
    string | null,
    ...(readonly [number | null, number | null, number | null]),
  ]
  return { ...jobOf(row as readonly unknown[] as Row, claim), result, expires, kept }
}

/** @returns the jobs that are stored now, as they are, in their order */
export const insertedOf = (
  insert: readonly NewJob[],
  claims: readonly (number | null)[],
  rows: readonly (readonly [id: string, seq: number])[],
): Job[] => {
  const seqs = new Map(rows)
  const inserted: Job[] = []
  for (const [at, job] of insert.entries()) {
    const seq = seqs.get(job.id)
    if (seq === undefined) continue
    // Of an id that is there twice the first counts.
    seqs.delete(job.id)
    inserted.push(storedOf(job, seq, claims[at] ?? null))
  }
  return inserted
}
