/**
 * Whether the event loops of workers turn: a ping that is answered says so. Only workers that run something are asked,
 * and those that were asked and have not answered, so that nothing happens while nothing runs.
 */
import type { Clock } from '../clock.ts'
import type { Worker } from '../model/run.ts'

export interface PulseOptions {
  readonly clock: Clock
  /** How long a worker may be silent before it is reported, ms. */
  readonly hangTimeout: number
  /** Those that run something. */
  readonly working: () => readonly Worker[]
  readonly ping: (worker: Worker) => void
  /** A worker has been silent for that long. */
  readonly hung: (worker: Worker, silent: number) => void
  /** One that was reported answers again. */
  readonly back: (worker: Worker, silent: number) => void
}

/** A ping that has not been answered. */
interface Question {
  readonly worker: Worker
  readonly asked: number
  readonly waiting: (() => void)[]
  reported: boolean
}

/** The time between two pings, ms: a quarter of the hang timeout, within these. */
const OFTENEST = 50
const RAREST = 5000

export class Pulse {
  readonly #options: PulseOptions
  readonly #open = new Map<number, Question>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: PulseOptions) {
    this.#options = options
  }

  /** Something runs. */
  watch(): void {
    const { hangTimeout } = this.#options
    const every = Math.min(Math.max(hangTimeout / 4, OFTENEST), RAREST)
    // It is no reason for the daemon to stay: a run that should end may still be asked about while it ends.
    this.#timer ??= setTimeout(() => this.#look(), every).unref()
  }

  /** Asks a worker, whatever it runs; calls `answered` when its event loop has turned, where it ever does. */
  ask(worker: Worker, answered?: () => void): void {
    const question = this.#question(worker)
    if (answered !== undefined) question.waiting.push(answered)
    this.watch()
  }

  heard(worker: Worker): void {
    const question = this.#open.get(worker.number)
    if (question === undefined) return
    this.#open.delete(worker.number)
    if (question.reported) this.#options.back(worker, this.#silence(question))
    for (const answered of question.waiting) answered()
  }

  gone(worker: Worker): void {
    this.#open.delete(worker.number)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    this.#timer = undefined
    for (const worker of this.#options.working()) this.#question(worker)
    for (const question of this.#open.values()) {
      const silent = this.#silence(question)
      if (question.reported || silent < this.#options.hangTimeout) continue
      question.reported = true
      this.#options.hung(question.worker, silent)
    }
    if (this.#open.size > 0) this.watch()
  }

  #question(worker: Worker): Question {
    const open = this.#open.get(worker.number)
    if (open !== undefined) return open
    const question = { worker, asked: this.#options.clock.monotonic(), waiting: [], reported: false }
    this.#open.set(worker.number, question)
    this.#options.ping(worker)
    return question
  }

  #silence({ asked }: Question): number {
    return this.#options.clock.monotonic() - asked
  }
}
