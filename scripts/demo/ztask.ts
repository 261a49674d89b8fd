/** The real executable, in the copy. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, start } from './children.ts'

const EXECUTABLE = fileURLToPath(new URL('../../bin/ztask.js', import.meta.url))

export interface Status {
  readonly waiting: number
  readonly scheduled: number
  readonly running: number
  readonly held: number
  readonly failed: number
}

export interface FailedJob {
  readonly id: string
  readonly task: string
  readonly attempts: number
  readonly failure: { readonly name: string; readonly message: string } | null
}

export const generate = async (dir: string): Promise<string> =>
  (await run([EXECUTABLE, 'generate'], dir)).trim()

export const status = async (dir: string): Promise<Status> =>
  JSON.parse(await run([EXECUTABLE, 'status', '--json'], dir)) as Status

export const failedJobs = async (dir: string): Promise<FailedJob[]> =>
  JSON.parse(await run([EXECUTABLE, 'list', '--failed', '--json'], dir)) as FailedJob[]

export interface Daemon {
  readonly pid: number
  /** Resolves when it has ended. */
  readonly ended: Promise<unknown>
  /** Lets it finish what runs, and ends it. */
  readonly stop: () => Promise<void>
}

/** Starts a daemon; resolves when it serves. Its log goes to daemon.log in the copy. */
export const startDaemon = (dir: string): Promise<Daemon> =>
  new Promise((resolve, reject) => {
    const line = (text: string): void => {
      appendFileSync(join(dir, 'daemon.log'), `${text}\n`)
      if (text.includes('Listening on')) resolve({ pid: child.pid ?? 0, ended, stop })
    }
    const { child, ended } = start([EXECUTABLE, 'daemon', '--workers', '2', '--noreload'], dir, line)
    const stop = async (): Promise<void> => {
      child.kill('SIGTERM')
      await ended
    }
    ended.then(
      ({ stdout, stderr }) => reject(new Error(`The daemon did not start: ${stderr || stdout}`)),
      reject,
    )
  })
