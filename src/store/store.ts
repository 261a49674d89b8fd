/**
 * What the rest of ztask asks of a database, in the language of jobs. One implementation a database; nothing above this
 * line sees SQL.
 */
import type { Due, Job, NewJob, StoredState, Turn } from '../model/job.ts'

/** What happened since the last commit; it becomes durable as one. */
export interface Batch {
  readonly insert: readonly NewJob[]
  /** Jobs that go on in another state, and are in nobody's hands then. */
  readonly save: readonly Job[]
  /** Jobs of which something is noted, and that go on as they do; where they are among the others, these are later. */
  readonly mark?: readonly Job[]
  /** Jobs that are no more. */
  readonly remove: readonly Job[]
  /** How many of the new jobs that are due are this daemon's to run: those that its workers can begin at once. */
  readonly claims?: number
}

/** What has become of a batch. */
export interface Committed {
  /** The new jobs as they are now; one whose id was there already is not among them. */
  readonly inserted: readonly Job[]
  /** Jobs of which something was written in vain: another daemon has them, or has ended them. */
  readonly lost: readonly Job[]
}

/** Jobs by where they stand in their life, the running ones among the waiting: only the master knows those. */
export interface StoredCounts {
  readonly waiting: number
  readonly scheduled: number
  readonly held: number
  readonly failed: number
}

/** Which jobs a list holds; `due` narrows the queued ones. */
export interface Selection {
  readonly state: StoredState
  readonly due?: { readonly now: number; readonly past: boolean }
  /** Only those of this task. */
  readonly task?: string | undefined
  /** Only those made then or later, epoch ms. */
  readonly since?: number | undefined
  /** Only those whose turn comes after this one's. */
  readonly after?: Turn | undefined
  readonly limit: number
  /** Characters, by `sizeOf`, with which the list ends: the job that reaches them is its last. */
  readonly most?: number
}

/** A part of the queue. */
export interface Stretch {
  readonly jobs: readonly Job[]
  /** Whether a limit ended it: only after the last of the jobs there may be more. */
  readonly isCut: boolean
}

/** Where a daemon can be found. */
export interface NodeRecord {
  readonly boot: number
  readonly pid: number
  readonly url: string
  readonly started: number
}

export interface MigrationState {
  readonly name: string
  readonly applied: boolean
}

/** What a daemon finds that says that it lives. */
export interface Renewal {
  /** False where it was taken for dead: what it had is another's. */
  readonly isAlive: boolean
  /** How many jobs were in the hands of none that lives: those that waited are free. */
  readonly taken: number
  /** Those of them that were under way, which are this daemon's now. */
  readonly underWay: readonly Job[]
}

/** What daemons say to each other. */
export type Word =
  | { readonly kind: 'free' }
  /** Somebody waits for a job. */
  | { readonly kind: 'want'; readonly id: string; readonly until: number }
  | { readonly kind: 'cancel'; readonly id: string }
  /** A job has ended that somebody waits for elsewhere. */
  | { readonly kind: 'ended'; readonly id: string }

/**
 * A store that several daemons have. A job is in the hands of one of them, or free: then whoever claims it first has it. What is
 * written of a job that is another's by then changes nothing.
 */
export interface SharedStore extends Store {
  /** Claims free jobs of that priority that are due by `now`, in the order of their turn, at most `limit`. */
  claim(priority: number, limit: number, now: number): Promise<readonly Job[]>
  /** Claims a free job. @returns it as it is in hand, also where it was before; nothing where it is another's */
  acquire(job: Job): Promise<Job | undefined>
  /** Jobs that this daemon has in hand, and that have not begun, are free. */
  release(jobs: readonly Job[]): Promise<void>
  /** @returns when the next free job is due, epoch ms; nothing where there is none */
  nextFree(): Promise<number | undefined>
  /** From now on `hear` is called with what other daemons say. */
  listen(hear: (word: Word) => void): void
  /** Says something to the other daemons, soon: that there are free jobs it says by itself. What they do not hear is lost. */
  say(word: Word): void
  /** Writes down, of a job that another daemon has, that somebody here waits for it until then, epoch ms. */
  want(id: string, until: number): Promise<void>
  /** Writes down, of a job that another daemon has, that it is cancelled. @returns whether another has it */
  cancel(job: Job): Promise<boolean>
  /**
   * Says that this daemon lives.
   *
   * @param takesOver whether it takes over what others had that have said nothing for `lease` ms
   */
  renew(lease: number, takesOver: boolean): Promise<Renewal>
}

export interface Store {
  /**
   * Makes a batch durable.
   *
   * @throws the database's own error; then the batch may be committed again, as a whole or in parts. A new job of it is not
   *   stored, but where `mayBeStored`
   */
  commit(batch: Batch): Promise<Committed>
  /** @returns whether a commit failed for what one of its jobs is, and would have succeeded without it */
  isJobsFault(error: Error): boolean
  /**
   * @returns whether a commit failed when it was perhaps written already: should the daemon die now, the next may find it.
   *   That is over when a later commit has succeeded
   */
  mayBeStored(error: Error): boolean
  /**
   * @param most bytes, about, that the texts of the jobs take in all: the job that exceeds them is the last
   * @returns queued jobs of that priority in the order of their turn, the first `limit`, of all or of those that come after one
   */
  nearest(priority: number, limit: number, most: number, after?: Due): Promise<Stretch>
  /** @returns the priorities of queued jobs, the greatest first */
  priorities(): Promise<readonly number[]>
  /** @returns the jobs that carry a mark: what the daemon before this one left under way, suspect or cancelled */
  marked(): Promise<readonly Job[]>
  find(id: string): Promise<Job | undefined>
  /** @returns jobs that are due in the order of their turn, queued ones else by when they are due, those at rest by arrival */
  list(selection: Selection): Promise<readonly Job[]>
  /** What changes while they are counted, a part at a time, may be counted where it was, where it is, in both or in neither. */
  counts(now: number): Promise<StoredCounts>
  /** Gives failed jobs, all or those named, their attempts back, due now. @returns how many */
  retryFailed(now: number, ids?: readonly string[]): Promise<number>
  /** Deletes failed jobs, all or those named. @returns how many */
  deleteFailed(ids?: readonly string[]): Promise<number>
  /** Queues held jobs of these tasks again. @returns how many */
  free(tasks: readonly string[]): Promise<number>
  /**
   * Removes records that have expired by `now`, at most `limit` of them.
   *
   * @param most bytes, about, that their texts take in all: the record that exceeds them is the last
   * @returns how many
   */
  removeExpired(now: number, limit: number, most: number): Promise<number>
  /** @returns when the next record expires, epoch ms; nothing where none does */
  nextExpiry(): Promise<number | undefined>
  /** Counts one more start of this daemon. @returns its number */
  boot(pid: number, url: string, now: number): Promise<number>
  /** @returns the daemon that last started on this database */
  node(): Promise<NodeRecord | undefined>
  close(): Promise<void>
}
