/** What the generated client is made of: the calls of each task, in the mode that the settings ask for. */
import { inspect } from 'node:util'
import { nearestPackageName } from '../config.ts'
import {
  BatchTooLargeError,
  ConfigError,
  DaemonUnavailableError,
  InvalidBatchError,
  InvalidDelayError,
  JobFailedError,
  PayloadTooLargeError,
  RegistryNotLoadedError,
  ResultNotSentError,
  TaskMissingError,
  UnknownTaskError,
  UnserializableArgumentError,
} from '../model/errors.ts'
import { masked } from '../model/masked.ts'
import { failureOf } from '../model/outcome.ts'
import type { RunOptions } from '../model/run-options.ts'
import type { FunctionOf, Job, UnknownFunction } from '../model/task.ts'
import { runOptionsFault } from '../model/task-options.ts'
import { CLIENT_SETTINGS, type ClientSettings, defaultOf, fromEnvironment } from '../settings.ts'
import { encodeArgs, encodeResult } from '../wire/codec.ts'
import { isId, LONGEST_DELAY, MOST_TOGETHER } from '../wire/protocol.ts'
import { Current, whileWaiting } from '../worker/current.ts'
import { perform } from '../worker/perform.ts'
import { loadedRegistry, type Registry } from '../worker/registry.ts'
import { disabledJob, endedJob, noJob, notRun, PATIENCE, storedJobs } from './handle.ts'
import { newId } from './id.ts'
import type { Link, OutgoingJob } from './link.ts'
import { connectionTo, setDefaultClient, theDefaultClient, theSubstitute } from './process.ts'
import { resultOf } from './results.ts'

/** What generate writes into the client: data, and how to load the registry beside it. */
export interface ClientSpec {
  readonly project: string
  readonly url: string
  /** The client's settings that differ from their defaults. */
  readonly settings?: Partial<ClientSettings>
  /** Names. */
  readonly tasks: readonly string[]
  /** Imports a module by a specifier relative to the client's own. */
  readonly load: (specifier: string) => Promise<unknown>
}

/** The calls of one task, without its types. */
export interface UntypedCalls {
  async(...args: unknown[]): Promise<Job>
  after(seconds: number, ...args: unknown[]): Promise<Job>
  at(date: Date, ...args: unknown[]): Promise<Job>
  batch(calls: readonly (readonly unknown[])[]): Promise<Job[]>
  run(...args: unknown[]): Promise<unknown>
  with(options: RunOptions): UntypedCalls
  delay(...args: unknown[]): Promise<Job>
}

/** What a call says beside its arguments: when its job is due, and options of it. */
interface Terms {
  /** ms */
  readonly after?: number
  /** epoch ms */
  readonly at?: number
  readonly options?: RunOptions | undefined
}

const settingsOf = (spec: Omit<ClientSpec, 'tasks' | 'load'>): ClientSettings => {
  const defaults = Object.fromEntries(CLIENT_SETTINGS.map((key) => [key, defaultOf(key)]))
  const given = { ...spec.settings, project: spec.project, url: spec.url }
  return { ...defaults, ...given, ...fromEnvironment(process.env, CLIENT_SETTINGS) } as ClientSettings
}

/** In a test that has the kit its calls go there, whatever the project's other tests ask for. */
const SUBSTITUTED: Partial<ClientSettings> = { disabled: false, alwaysEager: false }

/** Calls tasks by name, as one project's settings say. */
export class Client {
  readonly #spec: Omit<ClientSpec, 'tasks'>
  #read: ClientSettings | undefined

  constructor(spec: Omit<ClientSpec, 'tasks'>) {
    this.#spec = spec
  }

  /** Read at the first call: a test or a start-up script may set the environment after the import. */
  get #settings(): ClientSettings {
    this.#read ??= settingsOf(this.#spec)
    return theSubstitute() === undefined ? this.#read : { ...this.#read, ...SUBSTITUTED }
  }

  /** @returns the calls of a task, whether this project has it or not: the daemon knows */
  callsOf(task: string, options?: RunOptions): UntypedCalls {
    return {
      async: async (...args) => this.#call(task, args, { options }),
      after: async (seconds, ...args) => this.#call(task, args, { after: delayOf(task, seconds), options }),
      at: async (date, ...args) => this.#call(task, args, { at: dateOf(task, date), options }),
      batch: async (calls) => this.#batch(task, calls, options),
      run: async (...args) => this.#run(task, args, options),
      with: (more) => this.callsOf(task, { ...options, ...checkedCallOptions(task, more) }),
      delay: async (...args) => this.#call(task, args, { options }),
    }
  }

  get #link(): Link {
    return theSubstitute()?.(() => this.#registry()) ?? connectionTo(this.#settings)
  }

  /** @returns the handle of a job that was stored, by whichever process */
  jobOf<F>(given: string): Job<F> {
    // As it may come, from an address or a form.
    const id = String(given).toLowerCase()
    if (!isId(id)) return noJob(id) as Job as Job<F>
    const handle = storedJobs({
      ask: (verb, params) => this.#link.ask(verb, params),
      result: (job, timeout) => this.#link.result(job, timeout),
      watch: (job, signal) => this.#link.watch(job, signal),
    })
    return handle(id, undefined) as Job as Job<F>
  }

  async #run(task: string, args: readonly unknown[], options?: RunOptions): Promise<unknown> {
    const settings = this.#settings
    const id = newId()
    const encoded = encodeArgs(args)
    refuseLarge(task, encoded, settings.maxPayload)
    if (settings.disabled) {
      console.info(`ztask: disabled: ${task} is not run`)
      throw notRun(id, task)
    }
    if (settings.alwaysEager) {
      console.info(`ztask: eager: running ${task} here`)
      return this.#result(id, task, encoded)
    }
    try {
      const job = { id, task, args: encoded, options }
      return await whileWaiting(id, () => this.#link.run(job, PATIENCE * 1000), PATIENCE * 1000)
    } catch (error) {
      if (!(error instanceof DaemonUnavailableError) || settings.onUnavailable !== 'inline') throw error
      console.warn(`ztask: no daemon at ${masked(settings.url)}: running ${task} here`)
      return this.#result(id, task, encoded)
    }
  }

  /** Runs the task here; an error of the task is told as a daemon would. */
  async #result(id: string, task: string, args: string): Promise<unknown> {
    try {
      const result = await this.#perform(id, task, args)
      return resultOf({ id, task }, { kind: 'succeeded', result })
    } catch (cause) {
      if (cause instanceof ResultNotSentError || isNotRun(cause, task)) throw cause
      const { message } = failureOf(cause)
      throw new JobFailedError(`${task} (${id}) has failed: ${message}`, { id, task, attempts: 1 }, { cause })
    }
  }

  async #call(task: string, args: readonly unknown[], due: Terms): Promise<Job> {
    const settings = this.#settings
    const id = newId()
    const encoded = encodeArgs(args)
    refuseLarge(task, encoded, settings.maxPayload)
    if (settings.disabled) {
      console.info(`ztask: disabled: ${task} is not run`)
      return disabledJob(id, task)
    }
    if (settings.alwaysEager) {
      if (due.after !== undefined || due.at !== undefined)
        console.info(`ztask: eager: the delay of ${task} is ignored`)
      console.info(`ztask: eager: running ${task} here`)
      return endedJob(id, task, await this.#perform(id, task, encoded))
    }
    const job = { id, task, args: encoded, ...due }
    try {
      return await this.#link.enqueue(job)
    } catch (error) {
      if (!(error instanceof DaemonUnavailableError) || settings.onUnavailable !== 'inline') throw error
      const delayed = due.after === undefined && due.at === undefined ? '' : ', its delay is ignored'
      console.warn(`ztask: no daemon at ${masked(settings.url)}: running ${task} here${delayed}`)
      return endedJob(id, task, await this.#perform(id, task, encoded))
    }
  }

  async #batch(task: string, calls: unknown, options?: RunOptions): Promise<Job[]> {
    const settings = this.#settings
    const { jobs, size } = pack(task, calls, settings)
    if (jobs.length === 0) return []
    if (settings.disabled) {
      console.info(`ztask: disabled: ${task} is not run, ${jobs.length} times`)
      return jobs.map(({ id }) => disabledJob(id, task))
    }
    if (settings.alwaysEager) {
      console.info(`ztask: eager: running ${task} here, ${jobs.length} times`)
      return this.#performAll(jobs)
    }
    try {
      return await this.#link.enqueueAll(jobs, size, options)
    } catch (error) {
      if (!(error instanceof DaemonUnavailableError) || settings.onUnavailable !== 'inline') throw error
      console.warn(`ztask: no daemon at ${masked(settings.url)}: running ${task} here, ${jobs.length} times`)
      return this.#performAll(jobs)
    }
  }

  /** One after the other, in their order. */
  async #performAll(jobs: readonly OutgoingJob[]): Promise<Job[]> {
    const ended: Job[] = []
    for (const { id, task, args } of jobs) ended.push(endedJob(id, task, await this.#perform(id, task, args)))
    return ended
  }

  /** Runs the task here, as a job. @returns what it returns, encoded */
  async #perform(id: string, task: string, args: string): Promise<string> {
    const job = new Current({ id, task, attempt: 1, created: Date.now() })
    const value = await perform(await this.#registry(), { job, args })
    return encodeResult(value, this.#settings.maxPayload)
  }

  /** Loaded by a specifier that bundlers cannot follow: the client's bundle holds no task code. */
  async #registry(): Promise<Registry> {
    const { project } = this.#spec
    const found = loadedRegistry(project)
    if (found !== undefined) return found
    let cause: unknown
    for (const specifier of ['./registry.js', './registry.ts']) {
      try {
        await this.#spec.load(specifier)
        const loaded = loadedRegistry(project)
        if (loaded !== undefined) return loaded
      } catch (error) {
        cause ??= error
      }
    }
    const reason = cause instanceof Error ? ` (${cause.message})` : ''
    throw new RegistryNotLoadedError(
      `The registry of '${project}' is not loaded${reason}: eager and inline calls run tasks in this process. Write import './ztask/registry.js' once, beside the import of the client.`,
      { project },
      { cause },
    )
  }
}

/** @returns whether it is thrown as the task cannot be called, and not by the task, whose own calls may be of such a one */
const isNotRun = (thrown: unknown, task: string): boolean =>
  thrown instanceof RegistryNotLoadedError ||
  ((thrown instanceof UnknownTaskError || thrown instanceof TaskMissingError) && thrown.data.task === task)

/**
 * @returns those that have a value: on the wire to a daemon the others do not exist
 * @throws ConfigError where an option is unknown or has a value that cannot be
 */
export const checkedCallOptions = (task: string, options: RunOptions): RunOptions => {
  const fault = runOptionsFault(options)
  if (fault !== undefined) throw new ConfigError(`${task}.with(…): ${fault.message} ${fault.cure}`, { task })
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/** Whatever was given in place of a moment, in a few words. */
const shown = (value: unknown): string =>
  inspect(value, { depth: 0, maxStringLength: 40, breakLength: Number.POSITIVE_INFINITY })

const delayOf = (task: string, seconds: unknown): number => {
  if (typeof seconds === 'number' && seconds >= 0 && seconds * 1000 <= LONGEST_DELAY) return seconds * 1000
  throw new InvalidDelayError(
    `${task}.after(${shown(seconds)}, …): the first argument is the delay, a number of seconds from 0 to ${LONGEST_DELAY / 1000}. Without a delay call ${task}.async(…).`,
    { task, seconds },
  )
}

const dateOf = (task: string, date: unknown): number => {
  if (date instanceof Date && !Number.isNaN(date.getTime())) return Math.max(0, date.getTime())
  throw new InvalidDelayError(
    `${task}.at(${shown(date)}, …): the first argument is a valid Date. For a delay in seconds call ${task}.after(…).`,
    { task, date: shown(date) },
  )
}

/** A UTF-8 character takes at most three bytes a UTF-16 unit: most jobs need no count. */
const refuseLarge = (task: string, args: string, maxPayload: number): void => {
  if (args.length * 3 <= maxPayload) return
  const size = Buffer.byteLength(args)
  if (size <= maxPayload) return
  throw new PayloadTooLargeError(
    `The arguments of ${task} take ${size} bytes; maxPayload is ${maxPayload}. Pass an id and load the data in the task, or raise maxPayload.`,
    { task, size, maxPayload },
  )
}

/** @returns the jobs of a batch, checked as each of its calls would be, and as a whole */
const pack = (
  task: string,
  calls: unknown,
  { maxPayload, maxBatch }: ClientSettings,
): { jobs: readonly OutgoingJob[]; size: number } => {
  if (!Array.isArray(calls)) throw invalidBatch(task, calls)
  if (calls.length > MOST_TOGETHER) throw tooLarge(task, calls.length, undefined, maxBatch)
  let size = 0
  const jobs = calls.map((args: unknown, call): OutgoingJob => {
    if (!Array.isArray(args)) throw invalidBatch(task, args, call)
    const encoded = encodeCall(args, call)
    refuseLarge(task, encoded, maxPayload)
    size += encoded.length
    return { id: newId(), task, args: encoded }
  })
  // A UTF-8 character takes at most three bytes a UTF-16 unit: most batches need no count.
  if (size * 3 > maxBatch) size = jobs.reduce((sum, { args }) => sum + Buffer.byteLength(args), 0)
  if (size > maxBatch) throw tooLarge(task, jobs.length, size, maxBatch)
  return { jobs, size }
}

const encodeCall = (args: readonly unknown[], call: number): string => {
  try {
    return encodeArgs(args)
  } catch (error) {
    if (!(error instanceof UnserializableArgumentError)) throw error
    const { path, what } = error.data
    const message = `Call ${call} of the batch: ${error.message}`
    throw new UnserializableArgumentError(message, { path, what, call }, { cause: error })
  }
}

const invalidBatch = (task: string, value: unknown, call?: number): InvalidBatchError => {
  const what = call === undefined ? `${shown(value)} is no list` : `call ${call} is ${shown(value)}, no list`
  return new InvalidBatchError(
    `${task}.batch(…): ${what}. It takes one list of arguments a job: ${task}.batch([[…], […]]).`,
    { task, call },
  )
}

const tooLarge = (
  task: string,
  jobs: number,
  size: number | undefined,
  maxBatch: number,
): BatchTooLargeError => {
  const why =
    size === undefined
      ? `A batch has at most ${MOST_TOGETHER} jobs; this one of ${task} has ${jobs}`
      : `The arguments of this batch of ${jobs} ${task} take ${size} bytes; maxBatch is ${maxBatch}`
  return new BatchTooLargeError(`${why}. Nothing is stored: split it into several.`, {
    task,
    jobs,
    size,
    maxBatch,
  })
}

/**
 * Makes the client that generate types.
 *
 * @returns an object of the tasks by name, each with `async`, `after`, `at`, `batch`, `run`, `with` and `delay`; nothing else, so that it is
 * no thenable and shows in a console as what it is
 */
export const makeClient = <T>(spec: ClientSpec): T => {
  const client = new Client(spec)
  setDefaultClient(client)
  return Object.freeze(
    Object.fromEntries(spec.tasks.map((name) => [name, Object.freeze(client.callsOf(name))])),
  ) as T
}

/**
 * The handle of a job that another process has enqueued, or this one before: to ask for its result, or cancel it.
 *
 * @param id its `id`
 * @returns the handle, whether there is such a job or not: what is asked of it tells
 *
 * @example
 * export const sumOf = async (id: string) => getJob<typeof tasks.add>(id).result({ timeout: 10 })
 */
export const getJob = <T = UnknownFunction>(id: string): Job<FunctionOf<T>> =>
  (theDefaultClient<Client>() ?? ownClient()).jobOf<FunctionOf<T>>(id)

/**
 * The calls of a task that names itself (`task({ name: 'sendEmail' }, …).async(…)`): through the client that this
 * process has loaded, else by the environment and the nearest package.json.
 */
export const callsByName = (name: string): UntypedCalls => {
  const client = theDefaultClient<Client>() ?? ownClient()
  return client.callsOf(name)
}

const ownClient = (): Client => {
  const client = new Client({
    project: nearestPackageName(process.cwd()) ?? 'ztask',
    url: defaultOf('url') ?? '',
    load: () => Promise.reject(new Error('no client has been loaded')),
  })
  setDefaultClient(client)
  return client
}
