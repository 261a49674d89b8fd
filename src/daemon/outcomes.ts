/** What becomes of a job when its run is over. */
import type { Clock } from '../clock.ts'
import { type Job, type JobEvent, settle } from '../model/job.ts'
import type { Failure, Outcome } from '../model/outcome.ts'
import type { RetryPolicy } from '../model/retry.ts'
import type { Run } from '../model/run.ts'

export interface OutcomesOptions {
  readonly clock: Clock
  readonly policyOf: (job: Job) => RetryPolicy
  /** How long what the job's task returned is kept, ms. */
  readonly keepResultOf: (job: Job) => number | undefined
  /** A job goes on otherwise, or is no more: to be stored. */
  readonly settled: (job: Job, next: Job | undefined) => void
  /** A job goes on as it was: nothing needs storing. */
  readonly back: (job: Job) => void
  readonly succeeded: (run: Run) => void
  readonly postponed: (run: Run, seconds: number) => void
  readonly failed: (run: Run, failure: Failure, next: Job | undefined, now: number) => void
  readonly held: (job: Job, reason: string) => void
  readonly expired: (job: Job) => void
  readonly cancelled: (run: Run) => void
}

export class Outcomes {
  readonly #options: OutcomesOptions

  constructor(options: OutcomesOptions) {
    this.#options = options
  }

  /** A worker reported how a run ended. */
  report(run: Run, outcome: Outcome): void {
    if (run.job.mark === 'cancelled') return this.#cancelled(run)
    if (outcome.kind === 'unbegun') return this.release(run, false)
    if (outcome.kind === 'threw') return this.#failed(run, 'threw', outcome.failure, outcome.final)
    if (outcome.kind === 'missing') return this.hold(run.job, outcome.reason)
    if (outcome.kind === 'postponed') {
      this.#apply(run.job, outcome)
      return this.#options.postponed(run, outcome.seconds)
    }
    const { keepResultOf, succeeded } = this.#options
    this.#apply(
      run.job,
      outcome.result === undefined ? outcome : { ...outcome, keep: keepResultOf(run.job) ?? 0 },
    )
    succeeded(run)
  }

  /** A run went with its worker, which died by itself: where it was alone it pays, else it is one of the suspects. */
  died(run: Run, alone: boolean, cause: Failure): void {
    if (run.job.mark === 'cancelled') return this.#cancelled(run)
    if (alone) this.#failed(run, 'died', cause)
    else this.#apply(run.job, { kind: 'suspected' })
  }

  /** A run went with its worker, which was ended for another reason, or did not begin: nobody pays. */
  release(run: Run, begun: boolean): void {
    if (run.job.mark === 'cancelled') this.#cancelled(run)
    else this.#apply(run.job, { kind: 'released', begun })
  }

  /** A job that was taken did not come to run. */
  back(job: Job): void {
    this.#apply(job, { kind: 'released' })
  }

  /** The code that there is cannot run a job. */
  hold(job: Job, reason: string): void {
    this.#apply(job, { kind: 'held', reason })
    this.#options.held(job, reason)
  }

  /** A job was to begin before now. */
  expired(job: Job): void {
    const { keepFailed: keep } = this.#options.policyOf(job)
    const message = `${job.task} was to begin by ${new Date(job.options?.expiresAt ?? 0).toISOString()}`
    this.#apply(job, { kind: 'expired', failure: { name: 'Expired', message, stack: '' }, keep })
    this.#options.expired(job)
  }

  /** What a held job waited for is there. */
  free(job: Job): void {
    this.#apply(job, { kind: 'freed' })
  }

  #failed(run: Run, kind: 'threw' | 'died', failure: Failure, final = false): void {
    const now = this.#options.clock.now()
    const { generation, loaded } = run.worker
    const policy = this.#options.policyOf(run.job)
    const next = this.#apply(run.job, { kind, failure, policy, final, code: { generation, loaded } })
    this.#options.failed(run, failure, next, now)
  }

  #cancelled(run: Run): void {
    this.#apply(run.job, { kind: 'released' })
    this.#options.cancelled(run)
  }

  #apply(job: Job, event: JobEvent): Job | undefined {
    const next = settle(job, event, this.#options.clock.now())
    if (next === job) this.#options.back(job)
    else this.#options.settled(job, next)
    return next
  }
}
