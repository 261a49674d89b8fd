/** Says that this daemon lives, and takes over what others had that have not said so for too long. */
import type { Renewal, SharedStore } from '../store/store.ts'

export interface LeaseOptions {
  readonly store: Pick<SharedStore, 'renew'>
  /** After how long without a word a daemon counts as dead, ms. */
  readonly lease: number
  /** This daemon was taken for dead: what it had in hand is others'. */
  readonly lost: () => Promise<void>
  /** Others are dead. */
  readonly takenOver: (renewal: Renewal) => Promise<void>
  /** There may be free jobs that nobody has told of. */
  readonly look: () => void
  readonly unreadable: (error: Error) => void
}

/** How often it looks for what it was not told of, ms. */
const LOOK = 30_000

export class Lease {
  readonly #options: LeaseOptions
  #timer: NodeJS.Timeout | undefined
  #looked = performance.now()
  #stopped = false

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  /** Renewed twice in its time: an idle daemon asks the database nine times a minute. */
  start(): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#renew(), this.#options.lease / 2)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #renew(): Promise<void> {
    const { store, lease, lost, takenOver, look, unreadable } = this.#options
    try {
      const renewal = await store.renew(lease)
      if (!renewal.isAlive) await lost()
      if (renewal.dead > 0) await takenOver(renewal)
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
