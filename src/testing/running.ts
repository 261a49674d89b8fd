/** A job that runs in the process of a test: it works, or it rests until something else happens. */
import type { Run } from '../model/run.ts'
import type { Current } from '../worker/current.ts'

/** Taken before a test can put its own in their place. */
const { setTimeout, clearTimeout } = globalThis

/** Real time is counted in steps, ms: what holds the event loop for long works, and counts as one of them. */
const STEP = 50

export class Running {
  run: Run
  readonly current: Current
  /** When its timeout has passed, epoch ms; it begins when the task is called. */
  deadline: number | undefined
  isLate = false
  #state: 'works' | 'rests' | 'stops' | 'over' = 'works'
  /** For how many other jobs it waits. */
  #waits = 0
  /** How long it works before it is taken to hang, real ms; as long as it likes where there is none. */
  #patience: number | undefined
  #timer: NodeJS.Timeout | undefined
  #rest = Promise.withResolvers<void>()

  constructor(run: Run, current: Current) {
    this.run = run
    this.current = current
  }

  /** Whether nothing comes of it by itself: it waits for other jobs, or hangs, or is over. */
  get isResting(): boolean {
    return this.#state === 'rests' || this.#state === 'over'
  }

  /** Resolves when it rests. */
  get rest(): Promise<void> {
    return this.#rest.promise
  }

  /** It has a timeout, and its task is called. */
  limit(deadline: number, patience: number): void {
    this.deadline = deadline
    this.#patience = patience
    this.heard()
  }

  /** It makes progress: from now on it has its time once more. */
  heard(): void {
    if (this.#waits > 0 || this.#isEnding) return
    this.#work('works')
    if (this.#patience !== undefined) this.#count(this.#patience, () => this.#stand('rests'))
  }

  /** It waits for another job, beside others perhaps. @returns called when it does not any more */
  waits(): () => void {
    if (this.#isEnding) return () => {}
    this.#waits++
    this.#stand('rests')
    return () => {
      this.#waits--
      this.heard()
    }
  }

  /** It is told to end. @param kill called where it has not, so many real ms later */
  stop(grace: number, kill: () => void): void {
    if (this.#isEnding) return
    this.#work('stops')
    this.#count(grace, kill)
  }

  over(): void {
    this.#stand('over')
  }

  get #isEnding(): boolean {
    return this.#state === 'stops' || this.#state === 'over'
  }

  #work(state: 'works' | 'stops'): void {
    if (this.isResting) this.#rest = Promise.withResolvers()
    this.#state = state
  }

  #stand(state: 'rests' | 'over'): void {
    clearTimeout(this.#timer)
    this.#state = state
    this.#rest.resolve()
  }

  #count(left: number, out: () => void): void {
    clearTimeout(this.#timer)
    const step = Math.min(left, STEP)
    this.#timer = setTimeout(() => (left > step ? this.#count(left - step, out) : out()), step)
  }
}
