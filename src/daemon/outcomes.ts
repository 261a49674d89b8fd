/** What becomes of a job when its run is over. */
import type { Clock } from '../clock.ts'
import { type Job, type JobEvent, settle } from '../model/job.ts'
import type { Failure, Outcome } from '../model/outcome.ts'
import type { RetryPolicy } from '../model/retry.ts'
import type { Run } from '../model/run.ts'

export interface OutcomesOptions {
  readonly clock: Clock
  readonly policyOf: (task: string) => RetryPolicy
  /** A job goes on otherwise, or is no more: to be stored. */
  readonly settled: (job: Job, next: Job | undefined) => void
  /** A job goes on as it was: nothing needs storing. */
  readonly back: (job: Job) => void
  readonly succeeded: (run: Run) => void
  readonly failed: (run: Run, failure: Failure, next: Job | undefined, now: number) => void
  readonly held: (job: Job, reason: string) => void
}

export class Outcomes {
  readonly #options: OutcomesOptions

  constructor(options: OutcomesOptions) {
    this.#options = options
  }

  /** A worker reported how a run ended. */
  report(run: Run, outcome: Outcome): void {
    if (outcome.kind === 'threw') return this.#failed(run, outcome.failure)
    this.#apply(run.job, outcome)
    this.#options.succeeded(run)
  }

  /**
   * A worker went with these runs. One that was alone in a worker that died by itself is charged; otherwise nobody
   * can say whose fault it was, and nobody pays.
   */
  cut(runs: readonly Run[], cause: Failure | undefined): void {
    const [alone] = runs
    if (cause !== undefined && alone !== undefined && runs.length === 1) this.#failed(alone, cause)
    else for (const { job } of runs) this.#apply(job, { kind: 'released' })
  }

  /** The code that there is cannot run a job. */
  hold(job: Job, reason: string): void {
    this.#apply(job, { kind: 'held', reason })
    this.#options.held(job, reason)
  }

  /** What a held job waited for is there. */
  free(job: Job): void {
    this.#apply(job, { kind: 'freed' })
  }

  #failed(run: Run, failure: Failure): void {
    const now = this.#options.clock.now()
    const next = this.#apply(run.job, {
      kind: 'threw',
      failure,
      policy: this.#options.policyOf(run.job.task),
    })
    this.#options.failed(run, failure, next, now)
  }

  #apply(job: Job, event: JobEvent): Job | undefined {
    const next = settle(job, event, this.#options.clock.now())
    if (next === job) this.#options.back(job)
    else this.#options.settled(job, next)
    return next
  }
}
