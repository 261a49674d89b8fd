/** What `--loglevel` takes, from the quietest: the names of Python's logging, as in the ancestor. */
export const LOG_LEVELS = Object.freeze(['CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'NOTSET'] as const)

export type LogLevel = (typeof LOG_LEVELS)[number]

/** How a log is written: the daemon's, and its workers' beside it. */
export interface LogOptions {
  readonly level: LogLevel
  /** Lines are appended to this file, made where it is not there; to stdout where none is given. */
  readonly file?: string | undefined
  /** Lines for people in place of JSON. */
  readonly pretty: boolean
}
