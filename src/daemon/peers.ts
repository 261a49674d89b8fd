/** The other daemons of the database: what is said to them, what they say, and what is taken over from those that have died. */
import { hostMonotonic } from '../clock.ts'
import type { Job } from '../model/job.ts'
import type { SharedStore, Word } from '../store/store.ts'
import type { Leased } from '../wire/ipc.ts'
import { Lease } from './peers/lease.ts'

export interface PeersOptions {
  readonly store: SharedStore
  /** What waits here. */
  readonly scheduler: {
    isBusy(seq: number): boolean
    waitingBy(id: string): Job | undefined
    withdraw(job: Job): boolean
    clear(): void
    stop(): void
    refill(): void
  }
  /** After how long without a word a daemon counts as dead, ms. */
  readonly lease: number
  /** This daemon was taken for dead. */
  readonly lost: () => void
  /** So many jobs of dead daemons are free now. */
  readonly takenOver: (taken: number) => void
  readonly unreadable: (error: Error) => void
  /** Begins anew, where it was taken for dead. */
  readonly register: () => Promise<void>
  /** Until when workers may run what they have. */
  readonly held: (leased: Leased) => void
  /** What runs here is told to end: it may soon be others'. */
  readonly stopRuns: () => void
  /** Ends what runs here, as it is others' now. */
  readonly killRuns: () => void
  /** Settles what was under way where a daemon died. */
  readonly settle: (underWay: readonly Job[]) => Promise<void>
  /** @returns a job that runs here, by its id */
  readonly runs: (id: string) => Job | undefined
  /** Somebody waits elsewhere for a job of this daemon, until then, epoch ms. */
  readonly wanted: (job: Job, until: number) => void
  /** A job ends that runs here. */
  readonly cancel: (job: Job) => Promise<unknown>
  /** The row of a job that waits here goes. */
  readonly remove: (job: Job) => void
  /** A job has ended elsewhere. */
  readonly ended: (id: string) => void
}

export class Peers {
  readonly #options: PeersOptions
  readonly #lease: Lease

  constructor(options: PeersOptions) {
    this.#options = options
    const { store, scheduler, lease, settle, unreadable, held } = options
    store.listen((word) => this.#hear(word))
    this.#lease = new Lease({
      ...{ store, lease, settle, unreadable, held },
      ending: options.stopRuns,
      ended: options.killRuns,
      lost: async () => {
        options.lost()
        scheduler.clear()
        await options.register()
        options.killRuns()
      },
      takenOver: (taken) => {
        options.takenOver(taken)
        scheduler.refill()
        store.say({ kind: 'free' })
      },
      look: () => scheduler.refill(),
    })
    this.#lease.start()
  }

  /** Whether others may have what is in hand here, or may soon: nothing of it is begun. */
  get isLapsed(): boolean {
    return this.#lease.isLapsed
  }

  /** @returns what was under way where daemons died before this one serves */
  async recover(): Promise<readonly Job[]> {
    const { store, lease } = this.#options
    const said = hostMonotonic()
    const { underWay } = await store.renew(lease, true)
    this.#lease.hold(said)
    return underWay
  }

  /** @param takesOver whether what dead daemons had is taken over from now on */
  serve(takesOver: boolean): void {
    this.#lease.takesOver = takesOver
  }

  /** Nothing is in hand any more. */
  leave(): void {
    this.#lease.stop()
    this.#options.scheduler.stop()
  }

  /** A job that is not this daemon's is wanted here, until then, epoch ms. @returns whether another can have it */
  async want(job: Job, until: number): Promise<boolean> {
    const { store, scheduler } = this.#options
    if (scheduler.isBusy(job.seq)) return false
    await store.want(job.id, until)
    return true
  }

  /** @returns whether a job is another's, which was told to cancel it */
  async cancel(job: Job): Promise<boolean> {
    const { store, scheduler } = this.#options
    return !scheduler.isBusy(job.seq) && store.cancel(job)
  }

  /** A job is over, and nobody here waits for it. */
  over({ id, awaited }: Job): void {
    if (awaited !== null) this.#options.store.say({ kind: 'ended', id })
  }

  #hear(word: Word): void {
    const { scheduler, ended, unreadable } = this.#options
    if (word.kind === 'free') return scheduler.refill()
    if (word.kind === 'ended') return ended(word.id)
    if (word.kind === 'want') return this.#wanted(word.id, word.until)
    // Of a newer ztask.
    if (word.kind !== 'cancel') return
    this.#cancelled(word.id).catch(unreadable)
  }

  #wanted(id: string, until: number): void {
    const { runs, scheduler, wanted } = this.#options
    const job = runs(id) ?? scheduler.waitingBy(id)
    if (job !== undefined) wanted(job, until)
  }

  /** Where its row says so, too: anybody may say it. */
  async #cancelled(id: string): Promise<void> {
    const { store, scheduler, runs, cancel, remove } = this.#options
    const found = await store.find(id)
    if (found?.mark !== 'cancelled') return
    const run = runs(id)
    const waits = scheduler.waitingBy(id)
    if (run !== undefined) await cancel(run)
    else if (waits !== undefined && scheduler.withdraw(waits)) remove({ ...waits, mark: 'cancelled' })
  }
}
