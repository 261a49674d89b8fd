/**
 * What `ztask status | list | show | retry | cancel | delete` do, over the store's interface: the daemon runs them on
 * its live queue, and the command itself on the database where no daemon runs.
 */
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { DaemonError, UnknownJobError } from '../model/errors.ts'
import { byTurn, type Job, type JobState, STORED_STATES, sizeOf, stateOf } from '../model/job.ts'
import type { FailedAttempt, Failure } from '../model/outcome.ts'
import type { Progress } from '../model/progress.ts'
import type { Selection, Store } from '../store/store.ts'
import {
  idParam,
  idsParam,
  type ListParams,
  listParams,
  type Page,
  type Part,
  placeText,
  ticketParam,
} from '../wire/ask.ts'
import type { Verb } from '../wire/protocol.ts'

/** What only a running daemon knows; `idleQueue` stands for it where none runs. */
export interface LiveQueue {
  readonly running: () => readonly Job[]
  /** Rows that are running, or whose ending is not stored yet. */
  readonly busy: () => number
  readonly isBusy: (seq: number) => boolean
  /** Keeps a job from being handed out. @returns it as it is then; nothing where it is too late */
  readonly acquire: (job: Job) => Promise<Job | undefined>
  /** Calls back a job that was handed to a worker and has not begun. @returns whether it is the caller's, as by `acquire` */
  readonly recall: (job: Job) => Promise<boolean>
  /** Stops a job that runs. @returns whether it runs; resolves when it is on disk that it shall not run again */
  readonly cancel: (job: Job) => Promise<boolean>
  /** Stops a job that another daemon has. @returns whether another has it */
  readonly cancelElsewhere: (job: Job) => Promise<boolean>
  /** Resolves when what is on its way to the database has been written, or could not be; rejects where the job's never will. */
  readonly settled: (job: Job) => Promise<void>
  /** Whether a job of this id ended a short while ago. */
  readonly hasEnded: (id: string) => boolean
  /** How far a job is that runs, as its task says. */
  readonly progressOf: (id: string) => Progress | undefined
  /** A withdrawn job is gone. */
  readonly removed: (job: Job) => void
  /** A withdrawn job is another daemon's. */
  readonly lost: (job: Job) => void
  /** A withdrawn job could not be removed: it goes on. */
  readonly restored: (job: Job) => void
  /** Rows were changed in bulk. */
  readonly changed: () => void
}

export const idleQueue: LiveQueue = {
  running: () => [],
  busy: () => 0,
  isBusy: () => false,
  acquire: async (job) => job,
  recall: async () => false,
  cancel: async () => false,
  cancelElsewhere: async () => false,
  settled: async () => {},
  hasEnded: () => false,
  progressOf: () => undefined,
  removed: () => {},
  lost: () => {},
  restored: () => {},
  changed: () => {},
}

/** A job as commands show it. Times are ISO 8601, arguments as they are encoded. */
export interface JobView {
  readonly id: string
  readonly task: string
  /** Succeeded: no job any more, its result is kept for whoever wants it. */
  readonly state: JobState | 'succeeded'
  readonly args: string
  readonly priority: number
  readonly attempts: number
  readonly created: string
  readonly due: string
  readonly failedAt: string | null
  readonly reason: string | null
  readonly failure: Failure | null
}

/** A failed attempt; `generation` and `loaded` are null where the daemon died with the run. */
export interface AttemptView {
  readonly at: string
  readonly failure: Failure
  /** Of the code that ran. */
  readonly generation: number | null
  /** When its worker had begun to load that code. */
  readonly loaded: string | null
}

/** One job, with all that is known of it. */
export interface JobAccount extends JobView {
  /** The latest ten, the last one among them, in their order. */
  readonly failures: readonly AttemptView[]
  /** What the task of one that has succeeded returned, encoded, while that is kept; and until when. */
  readonly result: string | null
  readonly expires: string | null
  /** How far it is, as its task says, while it runs. */
  readonly progress: { readonly fraction: number; readonly message: string | null } | null
}

/** What became of each job that a command named. */
export interface Verdict {
  readonly id: string
  readonly result: 'retried' | 'removed' | 'signalled' | 'finished' | 'deleted' | 'unknown' | JobView['state']
}

export interface CommandsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly queue: LiveQueue
  /** Facts of the daemon that stand in `status` beside the counts. */
  readonly facts: () => Readonly<Record<string, unknown>>
  /** Begins a reload, or tells how the one of that ticket goes on. */
  readonly reload: (ticket: number | undefined) => Promise<unknown>
}

const iso = (ms: number): string => new Date(ms).toISOString()

const attemptView = ({ at, failure, code }: FailedAttempt): AttemptView => ({
  at: iso(at),
  failure,
  generation: code?.generation ?? null,
  loaded: code === undefined ? null : iso(code.loaded),
})

/** Characters of a page's jobs: what nobody reads waits in the master's memory, many times (ingress/answers.ts). */
const PAGE = 2 ** 18
/** And of a list that is asked for in one piece. */
const MOST_LISTED = 2 ** 20

export class Commands {
  readonly #options: CommandsOptions

  constructor(options: CommandsOptions) {
    this.#options = options
  }

  /** @throws ProtocolError where the params cannot be; UnknownJobError from `show`, where no job has the id */
  async run(verb: Verb, params: unknown): Promise<unknown> {
    switch (verb) {
      case 'status':
        return this.#status()
      case 'list':
        return this.#list(params)
      case 'show':
        return this.#show(params)
      case 'retry':
        return this.#retry(idsParam(params))
      case 'cancel':
        return this.#each(idsParam(params) ?? [], (id) => this.#cancel(id))
      case 'delete':
        return this.#delete(idsParam(params))
      case 'reload':
        return this.#options.reload(ticketParam(params))
    }
  }

  async #status(): Promise<unknown> {
    const { store, clock, queue, facts } = this.#options
    const { waiting, scheduled, held, failed } = await store.counts(clock.now())
    const running = Math.min(queue.busy(), waiting)
    return { waiting: waiting - running, scheduled, running, held, failed, ...facts() }
  }

  async #list(params: unknown): Promise<readonly JobView[] | Page<JobView>> {
    const asked = listParams(params)
    const page = await this.#page(asked, asked.page ? PAGE : MOST_LISTED)
    if (asked.page) return page
    if (page.next !== null && page.jobs.length < asked.limit)
      throw new DaemonError(
        `These jobs are more than ${MOST_LISTED / 2 ** 20} MB together. List fewer (limit), or one (ztask show ID), or page by page as ztask list does: docs/wire.md.`,
      )
    return page.jobs
  }

  /** @param most characters of the jobs, with which it ends */
  async #page({ state, task, since, limit, after }: ListParams, most: number): Promise<Page<JobView>> {
    const { store, queue } = this.#options
    const jobs: JobView[] = []
    let size = 0
    const parts = this.#parts(state)
    const first = Math.max(
      0,
      parts.findIndex(({ part }) => part === after?.part),
    )
    for (const { part, selection } of parts.slice(first)) {
      const wanted = {
        ...{ task, since, after: part === after?.part ? after : undefined, most: most - size },
        // The running ones among the rows read are left out again where they were not asked for.
        limit: limit - jobs.length + queue.busy(),
      }
      const found =
        selection === undefined ? this.#running(wanted) : await store.list({ ...selection, ...wanted })
      for (const job of found) {
        size += sizeOf(job)
        const view = this.#view(job, part === 'running')
        if (state === undefined || view.state === state) jobs.push(view)
        if (jobs.length >= limit || size >= most) return { jobs, next: placeText({ part, ...job }) }
      }
    }
    return { jobs, next: null }
  }

  /** What to read for a state: queued jobs by their turn, then those at rest, each by an index. Running ones are in memory. */
  #parts(
    state: JobState | undefined,
  ): readonly { readonly part: Part; readonly selection?: Omit<Selection, 'limit' | 'most'> }[] {
    if (state === 'running') return [{ part: state }]
    if (state === 'held' || state === 'failed') return [{ part: state, selection: { state } }]
    if (state === undefined)
      return STORED_STATES.map((stored) => ({ part: stored, selection: { state: stored } }))
    const due = { now: this.#options.clock.now(), past: state === 'waiting' }
    return [{ part: 'queued', selection: { state: 'queued', due } }]
  }

  #running({ task, since = 0, after }: Pick<Selection, 'task' | 'since' | 'after'>): readonly Job[] {
    return this.#options.queue
      .running()
      .filter((job) => (task === undefined || job.task === task) && job.created >= since)
      .filter((job) => after === undefined || byTurn(job, after) > 0)
      .toSorted(byTurn)
  }

  async #show(params: unknown): Promise<JobAccount> {
    const wanted = idParam(params)
    const job = await this.#options.store.find(wanted)
    if (job === undefined)
      throw new UnknownJobError(`No job '${wanted}'. It may have succeeded: a job that has is deleted.`, {
        id: wanted,
      })
    return {
      ...this.#view(job),
      failures: job.failures.map(attemptView),
      result: job.result,
      expires: job.expires === null ? null : iso(job.expires),
      progress: this.#progressOf(job),
    }
  }

  #progressOf({ id }: Job): JobAccount['progress'] {
    const progress = this.#options.queue.progressOf(id)
    return progress === undefined ? null : { fraction: progress.fraction, message: progress.message ?? null }
  }

  async #retry(ids: readonly string[] | undefined): Promise<unknown> {
    const { store, clock, queue } = this.#options
    if (ids === undefined) {
      const count = await store.retryFailed(clock.now())
      queue.changed()
      return { count }
    }
    return this.#each(ids, async (id) => {
      const result = await this.#onFailed(id, (one) => store.retryFailed(clock.now(), one))
      if (result !== 'done') return result
      queue.changed()
      return 'retried'
    })
  }

  async #delete(ids: readonly string[] | undefined): Promise<unknown> {
    const { store } = this.#options
    if (ids === undefined) return { count: await store.deleteFailed() }
    return this.#each(ids, async (id) => {
      const result = await this.#onFailed(id, (one) => store.deleteFailed(one))
      return result === 'done' ? 'deleted' : result
    })
  }

  /** Whatever the moment, one of three: it is gone before it ran, it was told to end, or it had ended. */
  async #cancel(id: string): Promise<Verdict['result']> {
    const { store, queue } = this.#options
    for (;;) {
      const job = await store.find(id)
      if (job === undefined) return queue.hasEnded(id) ? 'finished' : 'unknown'
      if (job.state === 'failed' || job.state === 'done') return 'finished'
      const back = await queue.recall(job)
      if (!back && (await queue.cancel(job))) return 'signalled'
      const mine = back ? job : await queue.acquire(job)
      if (mine !== undefined) {
        // Read once more, now that nobody else can change it: since it was found it may have run, or been cancelled.
        const still = await store.find(id).catch((error: unknown) => {
          queue.restored(mine)
          throw error
        })
        if (still?.state === job.state) {
          if (await this.#remove(still)) return 'removed'
        } else if (still === undefined) queue.removed(mine)
        else queue.restored(still)
        continue
      }
      if (await queue.cancelElsewhere(job)) return 'signalled'
      // Its ending is on the way to the database, and wins; or it is about to run.
      await queue.settled(job)
    }
  }

  /** @returns false where another daemon has it by now */
  async #remove(job: Job): Promise<boolean> {
    const { store, queue } = this.#options
    try {
      const { lost } = await store.commit({ insert: [], save: [], remove: [job] })
      const isRemoved = lost.length === 0
      if (isRemoved) queue.removed(job)
      else queue.lost(job)
      return isRemoved
    } catch (error) {
      queue.restored(job)
      throw error
    }
  }

  async #each(
    ids: readonly string[],
    act: (id: string) => Promise<Verdict['result']>,
  ): Promise<readonly Verdict[]> {
    const verdicts: Verdict[] = []
    for (const id of ids) {
      // A row is a look-up and perhaps a commit, which wait for nothing: of thousands the master would serve nobody else.
      await setImmediate()
      verdicts.push({ id, result: await act(id) })
    }
    return verdicts
  }

  /** Acts on a job that has failed. @returns its state where it has not */
  async #onFailed(
    id: string,
    act: (ids: readonly string[]) => Promise<unknown>,
  ): Promise<JobView['state'] | 'unknown' | 'done'> {
    const job = await this.#options.store.find(id)
    if (job === undefined) return 'unknown'
    if (job.state !== 'failed') return this.#stateOf(job)
    await act([id])
    return 'done'
  }

  #stateOf(job: Job): JobView['state'] {
    return stateOf(job, this.#options.queue.isBusy(job.seq), this.#options.clock.now())
  }

  #view(job: Job, running?: boolean): JobView {
    const { id, task, args, priority, attempts, reason, failure } = job
    return {
      id,
      task,
      state: running ? 'running' : this.#stateOf(job),
      args,
      priority,
      attempts,
      created: iso(job.created),
      due: iso(job.due),
      failedAt: job.failedAt === null ? null : iso(job.failedAt),
      reason,
      failure,
    }
  }
}
