/** Says that this daemon lives, from its start to its very end, and in between takes over what those had that do not say so any more. */
import type { Job } from '../../model/job.ts'
import type { SharedStore } from '../../store/store.ts'

export interface LeaseOptions {
  readonly store: Pick<SharedStore, 'renew'>
  /** After how long without a word a daemon counts as dead, ms. */
  readonly lease: number
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
const LOOK = 30_000

export class Lease {
  readonly #options: LeaseOptions
  /** Whether what dead daemons had is taken over: not before this one serves, nor once it ends. */
  takesOver = false
  /** What was taken over and is not settled yet: the database may fail meanwhile. */
  #underWay: readonly Job[] = []
  #timer: NodeJS.Timeout | undefined
  #looked = performance.now()
  #stopped = false

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  /** Renewed twice in its time: an idle daemon asks the database eight times a minute. */
  start(): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#renew(), this.#options.lease / 2)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #renew(): Promise<void> {
    const { store, lease, lost, takenOver, settle, look, unreadable } = this.#options
    try {
      const { isAlive, taken, underWay } = await store.renew(lease, this.takesOver)
      this.#underWay = [...this.#underWay, ...underWay]
      if (!isAlive) await lost()
      if (this.#underWay.length > 0) await settle(this.#underWay)
      this.#underWay = []
      if (taken > 0) takenOver(taken)
    } catch (error) {
      unreadable(error as Error)
    }
    if (performance.now() - this.#looked > LOOK) {
      this.#looked = performance.now()
      look()
    }
    this.start()
  }
}
