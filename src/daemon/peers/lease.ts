/**
 * Says that this daemon lives, from its start to its very end, and in between takes over what those had that do not say so any more.
 * Where it could not say so in time, nothing of its jobs may run on: others may have them by then.
 */
import { hostMonotonic } from '../../clock.ts'
import type { Job } from '../../model/job.ts'
import type { SharedStore } from '../../store/store.ts'
import type { Leased } from '../../wire/ipc.ts'

export interface LeaseOptions {
  readonly store: Pick<SharedStore, 'renew'>
  /** After how long without a word a daemon counts as dead, ms. */
  readonly lease: number
  /** Until when it lives, as far as is known: workers hold it themselves, for this process may be frozen. */
  readonly held: (leased: Leased) => void
  /** What runs is told to end: soon others may have it. */
  readonly ending: () => void
  /** It has ended: what runs is killed. */
  readonly ended: () => void
  /** This daemon was taken for dead: what it had in hand is others'. */
  readonly lost: () => Promise<void>
  /** So many jobs were taken over: those that were not under way are free. */
  readonly takenOver: (taken: number) => void
  /** Settles what was under way where a daemon died. */
  readonly settle: (underWay: readonly Job[]) => Promise<void>
  /** There may be free jobs that nobody has told of. */
  readonly look: () => void
  readonly unreadable: (error: Error) => void
}

/** How often it looks for what it was not told of, ms. */
const LOOK = 60_000
/** How long before its end what runs is told to end, ms; of a short lease a quarter. */
const NOTICE = 1000
/** Of the lease, when it is renewed; and after how much of it a renewal that failed is tried again. */
const USUAL = 0.5
const AGAIN = 0.1

export class Lease {
  readonly #options: LeaseOptions
  /** Whether what dead daemons had is taken over: not before this one serves, nor once it ends. */
  takesOver = false
  /** What was taken over and is not settled yet: the database may fail meanwhile. */
  #underWay: readonly Job[] = []
  #timer: NodeJS.Timeout | undefined
  #notice: NodeJS.Timeout | undefined
  #end: NodeJS.Timeout | undefined
  #leased: Leased | undefined
  #looked = performance.now()
  #stopped = false

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  /** Whether others may have what this daemon has in hand, or may soon: nothing of it is begun. */
  get isLapsed(): boolean {
    return this.#leased !== undefined && hostMonotonic() >= this.#leased.notice
  }

  /** Renewed twice in its time: an idle daemon says so eight times a minute. */
  start(share = USUAL): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#renew(), this.#options.lease * share)
  }

  stop(): void {
    this.#stopped = true
    for (const timer of [this.#timer, this.#notice, this.#end]) clearTimeout(timer)
  }

  /** This daemon has said at that time that it lives. */
  hold(said: number): void {
    const { lease, held, ending, ended } = this.#options
    const end = said + lease
    this.#leased = { notice: end - Math.min(NOTICE, lease / 4), end }
    clearTimeout(this.#notice)
    clearTimeout(this.#end)
    const now = hostMonotonic()
    this.#notice = setTimeout(ending, this.#leased.notice - now)
    this.#end = setTimeout(ended, end - now)
    held(this.#leased)
  }

  async #renew(): Promise<void> {
    const { store, lease, lost, takenOver, settle, look, unreadable } = this.#options
    try {
      const said = hostMonotonic()
      const { isAlive, taken, underWay } = await store.renew(lease, this.takesOver)
      if (this.#stopped) return
      this.#underWay = [...this.#underWay, ...underWay]
      if (!isAlive) await lost()
      // Where it was lost, it is begun anew.
      this.hold(said)
      if (taken > 0) takenOver(taken)
      if (this.#underWay.length > 0) {
        await settle(this.#underWay)
        look()
      }
      this.#underWay = []
    } catch (error) {
      unreadable(error as Error)
      return this.start(AGAIN)
    }
    if (performance.now() - this.#looked > LOOK) {
      this.#looked = performance.now()
      look()
    }
    this.start()
  }
}
