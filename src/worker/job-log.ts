/** The log of the jobs of a worker: the daemon's own, beside it in the same file or on the same stdout. */
import { createLogger, type Log } from '../log.ts'
import type { LogOptions } from '../model/log-options.ts'
import { logJobsBy } from './current.ts'

/** Opened with the first line: most tasks log nothing, and pino takes a worker 10 MB. */
export class WorkersLog {
  #log: Log | undefined

  constructor(options: LogOptions) {
    logJobsBy(({ id, task }) => {
      this.#log ??= createLogger(options)
      return this.#log.log.child({ id, task })
    })
  }

  /** The file was renamed. */
  reopen(): void {
    this.#log?.reopen()
  }
}
