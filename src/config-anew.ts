/** The configuration as it is now, with what it imports: read by a process of its own, since this one has read it before. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Project } from './config.ts'
import { ConfigError, type ErrorRecord } from './model/errors.ts'
import type { Settings } from './settings.ts'

const READER = fileURLToPath(new URL('config-reader.js', import.meta.url))

/** What to read. */
export interface ReadingOrder {
  /** Settings of the command line. */
  readonly flags: Partial<Record<keyof Settings, unknown>>
}

/** What was read. */
export interface Reading {
  /** The project's own files that it came from, or would have, absolute. */
  readonly files: readonly string[]
  /** With the environment and the flags; and by the file alone, as it is committed. Or why it cannot be. */
  readonly result:
    | { readonly project: Project; readonly committed: Project }
    | { readonly error: ErrorRecord }
}

/**
 * @param folder where the project is looked for, as by loadProject
 * @param timeout ms
 * @throws ConfigError where the configuration awaits what does not come
 */
export const readAnew = async (folder: string, order: ReadingOrder, timeout: number): Promise<Reading> => {
  const reader = fork(READER, {
    cwd: folder,
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let said = ''
  reader.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000)
  })
  const reading = Promise.withResolvers<Reading>()
  const timer = setTimeout(() => {
    const why = `The configuration is not read after ${timeout / 1000} s: it awaits what does not come.`
    reading.reject(new ConfigError(`${why} Mend that, or give it more time (--ready-timeout).`))
  }, timeout)
  reader.once('message', (message) => reading.resolve(message as Reading))
  reader.once('error', reading.reject)
  reader.once('exit', () =>
    reading.reject(new ConfigError(`The configuration ended the process that read it. ${said}`.trim())),
  )
  reader.send(order, () => {})
  return reading.promise.finally(() => {
    clearTimeout(timer)
    reader.kill('SIGKILL')
  })
}
