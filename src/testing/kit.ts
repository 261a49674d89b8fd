/**
 * The test kit, `ztask/testing`: in place of a daemon the tasks run in this process, on a database in memory and by a clock that
 * moves when the test says so. Checks, codec, retries, timeouts and results are the daemon's own.
 */
import { setSubstitute, theSubstitute } from '../client/process.ts'
import { readAnew } from '../config-anew.ts'
import { ConfigError } from '../model/errors.ts'
import type { Failure } from '../model/outcome.ts'
import type { TaskCalls } from '../model/task.ts'
import type { Settings } from '../settings.ts'
import { Engine } from './engine.ts'

/** ms */
const READ_TIMEOUT = 30_000

/** By another process, once: a test runner loads modules in its own way, and may not take a configuration in TypeScript. */
let reading: Promise<Settings> | undefined

const readSettings = async (): Promise<Settings> => {
  const { result } = await readAnew(process.cwd(), { flags: {} }, READ_TIMEOUT)
  if ('error' in result) throw new ConfigError(result.error.message, result.error.data)
  return result.project.settings
}

/** The arguments of a task's calls. */
type CallArgs<C> = C extends TaskCalls<infer F> ? Parameters<TaskCalls<F>['async']> : readonly unknown[]

/** By the names of tasks; of a name that there is not, an empty list. */
type ByTask<T, Value extends Record<keyof T, unknown>> = { readonly [K in keyof T]: readonly Value[K][] }

/** A job that has failed. */
export interface FailedJob<A> {
  readonly args: A
  /** How often it was charged. */
  readonly attempts: number
  /** The last error. */
  readonly failure: Failure
}

export interface TestKitOptions {
  /** When the virtual clock begins; now, where it is not given. */
  readonly now?: Date
}

/** What a test has of the jobs of its process. */
export interface TestKit<T> {
  /** The arguments of the jobs that have not ended, in the order of the calls. */
  readonly jobs: ByTask<T, { [K in keyof T]: CallArgs<T[K]> }>
  /** The arguments of those that have succeeded, in the order in which they ended. */
  readonly succeeded: ByTask<T, { [K in keyof T]: CallArgs<T[K]> }>
  /** Those that have failed, with no retry left. */
  readonly failed: ByTask<T, { [K in keyof T]: FailedJob<CallArgs<T[K]>> }>
  /** The virtual time. */
  readonly now: Date
  /**
   * Runs what is due, and what that enqueues, until nothing is due any more. It waits for what works in real time; for a job with a
   * timeout of which nothing is heard no longer than that, and no longer than 2 s.
   */
  drain(): Promise<void>
  /**
   * Lets so many seconds pass, and runs what becomes due, each job at its time.
   *
   * @example
   * await tasks.remind.after(3600, 'a@b.c')
   * await z.advance(3600)
   */
  advance(seconds: number): Promise<void>
  /** The next run of that task throws this in place of being called, a DoNotRetry or RetryAfter too; several add up. */
  fail(task: keyof T & string, error: unknown): void
  /**
   * The worker dies: what runs there is cut, and where nothing does, the job that begins next. The code of what is cut goes on, as
   * nothing interrupts JavaScript, but its calls of tasks and jobs never settle, and nothing comes of them. A task may call it, too.
   */
  crash(): void
  /** The daemon is killed and started again: what runs is cut, and what is stored goes on. */
  restart(): Promise<void>
  /** Ends it: calls go to a daemon again. */
  close(): Promise<void>
}

/**
 * Takes the place of every daemon for the calls of this process, until it is closed. Nothing has to be installed or started.
 *
 * @param tasks the generated client: it gives the types
 * @throws ConfigError where another kit of this process has not been closed, or the project's configuration cannot be loaded
 *
 * @example
 * const z = await testing(tasks)
 * await tasks.sendEmail.async('a@b.c', 'Hi')
 * console.log(z.jobs.sendEmail) // [['a@b.c', 'Hi']]
 * await z.drain()
 * await z.close()
 */
export const testing = async <T extends object>(
  tasks: T,
  { now = new Date() }: TestKitOptions = {},
): Promise<TestKit<T>> => {
  if (theSubstitute() !== undefined)
    throw new ConfigError('There is a test kit in this process: close it (await z.close()) before the next.')
  reading ??= readSettings()
  const engine = await Engine.open(await reading, now.getTime())
  setSubstitute((registry) => engine.linkOf(registry))
  const names = Object.keys(tasks)
  const byTask = (read: (task: string) => readonly unknown[]): never =>
    Object.defineProperties(
      {},
      Object.fromEntries(names.map((name) => [name, { get: () => read(name), enumerable: true }])),
    ) as never
  return {
    jobs: byTask((task) => engine.live(task).map(({ args }) => args)),
    succeeded: byTask((task) => engine.succeeded(task)),
    failed: byTask((task) => engine.failed(task)),
    get now() {
      return new Date(engine.now)
    },
    drain: () => engine.drain(),
    advance: (seconds) => engine.advance(seconds),
    fail: (task, error) => engine.fail(task, error),
    crash: () => engine.crash(),
    restart: () => engine.restart(),
    close: async () => {
      setSubstitute(undefined)
      await engine.close()
    },
  }
}
