/**
 * The log of the daemon and of the tasks in its workers: one JSON object a line, or lines for people. pino and pino-pretty
 * are loaded with the first log that is made, not with this file: a client and a worker may never need them.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isatty } from 'node:tty'
import type { pino } from 'pino'
import { ConfigError } from './model/errors.ts'
import type { LogLevel, LogOptions } from './model/log-options.ts'

const require = createRequire(import.meta.url)

const PINO_LEVEL: Readonly<Record<LogLevel, pino.Level>> = {
  CRITICAL: 'fatal',
  ERROR: 'error',
  WARNING: 'warn',
  INFO: 'info',
  DEBUG: 'debug',
  NOTSET: 'trace',
}

/** Everybody else names the type by this: the library is an affair of this file. */
export type Logger = pino.Logger

export interface Log {
  readonly log: Logger
  /** Opens the file anew, as a rotation that renamed it asks with SIGUSR2. Does nothing on stdout. */
  reopen(): void
  /** Forces the file to disk. Not needed before an exit: see `createLogger`. */
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
  const lines = new Lines(file)
  const render = pretty ? readable(file === undefined && hasColour()) : undefined
  const { pino, stdTimeFunctions } = require('pino') as typeof import('pino')
  const log = pino(
    {
      level: PINO_LEVEL[level],
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line) => lines.write(render === undefined ? line : render(line)) },
  )
  const reopen = (): void => {
    try {
      lines.reopen()
    } catch (err) {
      log.error({ err, file }, 'The log file cannot be opened again; the open one is written on.')
    }
  }
  return { log, reopen, flush: () => lines.flush() }
}

// pino-pretty's own stream hands lines on in later turns of the event loop, and loses them at an exit.
const readable = (colorize: boolean): ((line: string) => string) => {
  const { prettyFactory } = require('pino-pretty') as typeof import('pino-pretty')
  return prettyFactory({
    colorize,
    hideObject: true,
    translateTime: 'SYS:HH:MM:ss.l',
    messageFormat: sentence,
  })
}

/** The message says it all but the job's id, which the commands want, and the stack. */
const sentence = (line: Record<string, unknown>, key: string): string => {
  const stack = (line.err as { stack?: string } | undefined)?.stack
  const id = line.id === undefined ? '' : ` (${line.id})`
  return `${line[key]}${id}${stack ? `\n${stack}` : ''}`
}

const hasColour = (): boolean => isatty(1) && process.stdout.hasColors()

/**
 * Writes lines where pino's sonic-boom (4.2) will not do: on a full disk that keeps what it could not write, in memory
 * without bound, and its flush, which each `fatal` calls, tries again for ever. Here a line that cannot be written is
 * lost, the jobs go on, and stderr and the next line say so.
 */
class Lines {
  readonly #file: string | undefined
  #fd: number
  #lost = 0

  constructor(file: string | undefined) {
    this.#file = file
    this.#fd = file === undefined ? 1 : openFile(file)
  }

  write(line: string): void {
    try {
      // The line end first, as a full disk may have cut a line.
      writeAll(this.#fd, Buffer.from(this.#lost === 0 ? line : `\n${this.#lostLine()}${line}`))
      this.#lost = 0
    } catch (error) {
      if (this.#lost++ === 0) complain(error)
    }
  }

  reopen(): void {
    if (this.#file === undefined) return
    const before = this.#fd
    this.#fd = openFile(this.#file)
    closeSync(before)
  }

  flush(): void {
    try {
      if (this.#file !== undefined) fsyncSync(this.#fd)
    } catch (error) {
      complain(error)
    }
  }

  #lostLine(): string {
    const time = new Date().toISOString()
    return `${JSON.stringify({ level: 'error', time, pid: process.pid, msg: `${this.#lost} lines before this one could not be written and are lost.` })}\n`
  }
}

const openFile = (file: string): number => {
  try {
    return openSync(file, 'a')
  } catch (cause) {
    throw new ConfigError(
      `The log file ${file} cannot be opened: ${reason(cause)}. Name a file that this user may write, in a folder that is there.`,
      { file },
      { cause },
    )
  }
}

const writeAll = (fd: number, bytes: Uint8Array): void => {
  let patience = 100
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written)
    } catch (error) {
      // A pipe that another process has set to non-blocking, and whose reader is slow.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || patience-- === 0) throw error
      Atomics.wait(PAUSE, 0, 0, 10)
    }
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4))

const complain = (error: unknown): void => {
  try {
    writeSync(2, `ztask: the log cannot be written, lines are lost: ${reason(error)}\n`)
  } catch {
    // Nobody is left to tell: stderr is closed as well.
  }
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
