/** The jobs that this process watches: how far they are, as the daemon tells. */

import type { Clock } from '../clock.ts'
import type { JobSignal } from '../model/current-job.ts'
import { DaemonUnavailableError } from '../model/errors.ts'
import type { Progress } from '../model/progress.ts'
import { type Awaited, MOST_JOBS, type Watched } from '../wire/protocol.ts'

export interface WatchesOptions {
  /** As errors show it. */
  readonly url: string
  readonly clock: Clock
  /** Asks how far these are; for 0 ms: no longer. */
  readonly ask: (jobs: readonly Awaited[]) => void
  /** Something is to be sent, in this turn of the event loop, or heard. */
  readonly wake: () => void
}

/** How often it is asked anew, ms: the daemon answers each time, and forgets whoever does not. */
const AGAIN = 10_000
/** For how long it tells then, ms. */
const WATCH = 3 * AGAIN
/** After which silence there is no daemon, ms. */
const SILENCE = 60_000

/** One loop over a job's progress. What is not read before the next comes is passed over. */
class Loop {
  latest: Progress | undefined
  isOver = false
  error: Error | undefined
  wake = (): void => {}
  /** The latest of all. */
  #heard: Progress | undefined

  /** It is told again whenever it is asked for again. */
  hear({ fraction, message }: Progress): void {
    if (fraction === this.#heard?.fraction && message === this.#heard.message) return
    // JSON has no undefined.
    this.#heard = { fraction, message }
    this.latest = this.#heard
    this.wake()
  }

  end(error?: Error): void {
    this.isOver = true
    this.error = error
    this.wake()
  }
}

interface Watch {
  readonly loops: Set<Loop>
  /** When something was heard, on the monotonic clock. */
  heard: number
  timer: NodeJS.Timeout
}

export class Watches {
  readonly #options: WatchesOptions
  readonly #watches = new Map<string, Watch>()
  /** What is to be asked; with 0 what is watched no longer. */
  readonly #unasked = new Map<string, number>()

  constructor(options: WatchesOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#watches.size
  }

  /** @throws DaemonUnavailableError where none has answered for a minute */
  async *watch(id: string, signal: JobSignal): AsyncGenerator<Progress, void, undefined> {
    const loop = new Loop()
    this.#begin(id, loop)
    signal.addEventListener('abort', () => loop.wake())
    try {
      while (!signal.aborted) {
        const { latest } = loop
        loop.latest = undefined
        if (latest !== undefined) yield latest
        else if (loop.error !== undefined) throw loop.error
        else if (loop.isOver) return
        else
          await new Promise<void>((resolve) => {
            loop.wake = resolve
          })
      }
    } finally {
      this.#leave(id, loop)
    }
  }

  told(jobs: readonly Watched[]): void {
    for (const [id, progress] of jobs) {
      const watch = this.#watches.get(id)
      if (watch === undefined) continue
      watch.heard = this.#options.clock.monotonic()
      if (progress === null) this.#end(id)
      else if (progress !== undefined) for (const loop of watch.loops) loop.hear(progress)
    }
  }

  /** Another connection, or another daemon: nobody knows there who watches. */
  askAll(): void {
    for (const id of this.#watches.keys()) this.#unasked.set(id, WATCH)
  }

  /** Sends what there is to be sent: a daemon answers. */
  flush(): void {
    const jobs = [...this.#unasked]
    this.#unasked.clear()
    for (let at = 0; at < jobs.length; at += MOST_JOBS) this.#options.ask(jobs.slice(at, at + MOST_JOBS))
  }

  /** Nothing can be heard any more. */
  rejectAll(error: Error): void {
    for (const id of [...this.#watches.keys()]) this.#end(id, error)
  }

  #begin(id: string, loop: Loop): void {
    const { clock } = this.#options
    const watch = this.#watches.get(id) ?? {
      loops: new Set(),
      heard: clock.monotonic(),
      timer: setInterval(() => this.#again(id), AGAIN),
    }
    watch.loops.add(loop)
    this.#watches.set(id, watch)
    this.#ask(id, WATCH)
  }

  #leave(id: string, loop: Loop): void {
    const watch = this.#watches.get(id)
    watch?.loops.delete(loop)
    if (watch === undefined || watch.loops.size > 0) return
    this.#end(id)
    this.#ask(id, 0)
  }

  /** A loop that nobody goes on with keeps no process alive for what has ended. */
  #end(id: string, error?: Error): void {
    const watch = this.#watches.get(id)
    clearInterval(watch?.timer)
    this.#watches.delete(id)
    for (const loop of watch?.loops ?? []) loop.end(error)
  }

  #again(id: string): void {
    const { clock, url } = this.#options
    const watch = this.#watches.get(id)
    if (watch === undefined) return
    if (clock.monotonic() - watch.heard < SILENCE) return this.#ask(id, WATCH)
    const error = new DaemonUnavailableError(
      `No daemon at ${url} has said for ${SILENCE / 1000} s how far a job is. Start one (npx ztask daemon), or check ZTASKD_URL.`,
      { url, timeout: SILENCE / 1000 },
    )
    this.#end(id, error)
  }

  #ask(id: string, wait: number): void {
    this.#unasked.set(id, wait)
    this.#options.wake()
  }
}
