import type { Generated } from 'kysely'
import type { Job, Mark, StoredState } from '../model/job.ts'
import type { FailedAttempt, Failure } from '../model/outcome.ts'

/** The tables as migrations/ leaves them. */
export interface Schema {
  jobs: {
    seq: Generated<number>
    id: string
    task: string
    args: string
    state: StoredState
    due: number
    created: number
    attempts: number
    failed_at: number | null
    failure: string | null
    reason: string | null
    mark: Mark | null
    failures: string | null
  }
  nodes: { id: number; boot: number; pid: number; url: string; started: number }
}

export interface JobRow extends Omit<Schema['jobs'], 'seq'> {
  seq: number
}

/** One list for the many that never failed. */
export const NONE: readonly FailedAttempt[] = Object.freeze([])

export const toJob = ({ failed_at, failure, failures, ...row }: JobRow): Job => ({
  ...row,
  failedAt: failed_at,
  failure: failure === null ? null : (JSON.parse(failure) as Failure),
  failures: failures === null ? NONE : (JSON.parse(failures) as FailedAttempt[]),
})
