/**
 * The daemon's log: one JSON object a line, or lines for people. Whoever imports this loads pino and pino-pretty,
 * which takes longer than a client may: so nothing that an application loads imports it.
 */
import { isatty } from 'node:tty'
import { pino, stdTimeFunctions } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { ConfigError } from './model/errors.ts'

/** What `--loglevel` takes, from the quietest: the names of Python's logging, as in the ancestor. */
export const LOG_LEVELS = Object.freeze(['CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG', 'NOTSET'] as const)

export type LogLevel = (typeof LOG_LEVELS)[number]

const PINO_LEVEL: Readonly<Record<LogLevel, pino.Level>> = {
  CRITICAL: 'fatal',
  ERROR: 'error',
  WARNING: 'warn',
  INFO: 'info',
  DEBUG: 'debug',
  NOTSET: 'trace',
}

export interface LogOptions {
  readonly level: LogLevel
  /** Lines are appended to this file, made with its folders where it is not there; to stdout where none is given. */
  readonly file?: string | undefined
  /** Lines for people in place of JSON. */
  readonly pretty: boolean
}

export interface Log {
  readonly log: pino.Logger
  /** Opens the file anew, as a rotation that renamed it asks with SIGUSR2. Does nothing on stdout. */
  reopen(): void
  /** Writes what is not written yet, which is nothing unless a write failed. */
  flush(): void
}

/**
 * Opens the log. Each line is written before the call that logs it returns, so that none is lost by `process.exit` nor
 * by SIGKILL; at INFO a daemon logs too little for that to cost. A line is
 * `{"level":"info","time":"2027-01-01T00:00:00.000Z","pid":7,"msg":"…"}`.
 *
 * @throws ConfigError where the file cannot be opened
 * @example
 * const { log, reopen } = createLogger({ level: 'INFO', file: '/var/log/ztask.log', pretty: false })
 * process.on('SIGUSR2', reopen)
 */
export const createLogger = ({ level, file, pretty }: LogOptions): Log => {
  const destination = open(file)
  destination.on('error', complain)
  const log = pino(
    {
      level: PINO_LEVEL[level],
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pretty ? readable(destination, file === undefined && hasColour()) : destination,
  )
  return {
    log,
    reopen: () => {
      if (file !== undefined) reopen(destination, log, file)
    },
    flush: () => destination.flushSync(),
  }
}

type Destination = ReturnType<typeof pino.destination>

const open = (file: string | undefined): Destination => {
  try {
    return pino.destination({ dest: file ?? 1, append: true, mkdir: true, sync: true })
  } catch (cause) {
    throw new ConfigError(
      `The log file ${file} cannot be opened: ${reason(cause)}. Name one that this user may write with --logfile.`,
      { file },
      { cause },
    )
  }
}

const reopen = (destination: Destination, log: pino.Logger, file: string): void => {
  try {
    destination.reopen()
  } catch (cause) {
    log.error({ err: cause, file }, 'The log file cannot be opened again; the open one is written on.')
  }
}

/** A full disk stops the log, not the jobs; and says so where it still can. */
const complain = (error: Error): void => {
  process.stderr.write(`ztask: the log cannot be written: ${error.message}\n`)
}

/** pino-pretty's own stream hands lines on in later turns of the event loop, and loses them at an exit. */
const readable = (destination: Destination, colorize: boolean): pino.DestinationStream => {
  const render = prettyFactory({ colorize, ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l', singleLine: true })
  return { write: (line) => destination.write(render(line)) }
}

const hasColour = (): boolean => isatty(1) && !process.env.NO_COLOR && process.env.TERM !== 'dumb'

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
