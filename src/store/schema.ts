import type { Generated } from 'kysely'
import type { Job, JobOptions, Mark, RowState } from '../model/job.ts'
import type { FailedAttempt, Failure } from '../model/outcome.ts'

/** The tables as migrations/ leaves them. */
export interface Schema {
  jobs: {
    seq: Generated<number>
    id: string
    task: string
    args: string
    state: RowState
    due: number
    created: number
    priority: Generated<number>
    attempts: number
    failed_at: number | null
    failure: string | null
    reason: string | null
    mark: Mark | null
    failures: string | null
    awaited: number | null
    result: string | null
    expires: number | null
    kept: number | null
    options: string | null
  }
  nodes: { id: number; boot: number; pid: number; url: string; started: number }
}

export interface JobRow extends Omit<Schema['jobs'], 'seq' | 'priority'> {
  seq: number
  priority: number
}

/** One list for the many that never failed. */
export const NONE: readonly FailedAttempt[] = Object.freeze([])

/** Spelt out: with a spread of the rest it took three times as long. */
export const toJob = (row: JobRow): Job => ({
  seq: row.seq,
  id: row.id,
  task: row.task,
  args: row.args,
  state: row.state,
  due: row.due,
  created: row.created,
  priority: row.priority,
  attempts: row.attempts,
  reason: row.reason,
  mark: row.mark,
  failedAt: row.failed_at,
  failure: row.failure === null ? null : (JSON.parse(row.failure) as Failure),
  failures: row.failures === null ? NONE : (JSON.parse(row.failures) as FailedAttempt[]),
  awaited: row.awaited,
  result: row.result,
  expires: row.expires,
  kept: row.kept,
  options: row.options === null ? null : (JSON.parse(row.options) as JobOptions),
  claim: null,
})
