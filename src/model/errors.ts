/**
 * Every error that a user can meet: a name, a code, the data as a field, and a message that ends with the cure.
 * Codes are stable; messages are not. docs/errors.md is written from the comments of the classes (scripts/errors.ts).
 */

import type { Job } from './task.ts'

/** The facts behind an error, plain data so that they can cross a socket and stand in `--json` output. */
export type ErrorData = Readonly<Record<string, unknown>>

/** An error as it crosses the socket. */
export interface ErrorRecord {
  readonly code: string
  readonly message: string
  readonly data: ErrorData
}

/**
 * The base of all errors that ztask raises, so that one `instanceof` tells them from the others.
 *
 * Raised: by itself only where stored arguments cannot be read, and for a code that a newer daemon sent.
 *
 * Data: `text`, the arguments.
 *
 * Cure: arguments are a JSON list, or what a ztask client wrote; use one version of ztask on both sides.
 *
 * @example
 * export const invite = async (to: string) => {
 *   try {
 *     await tasks.sendEmail.async(to, 'Come and see')
 *   } catch (error) {
 *     if (!(error instanceof ZtaskError) || error.code !== 'ZTASK_UNAVAILABLE') throw error
 *     console.warn('nobody answers at', error.data.url)
 *   }
 * }
 */
export class ZtaskError extends Error {
  static readonly code: string = 'ZTASK_ERROR'
  readonly code: string
  readonly data: ErrorData

  constructor(message: string, data: ErrorData = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = new.target.code
    this.data = data
    Object.defineProperty(this, 'name', { value: new.target.name, enumerable: false, configurable: true })
  }

  /** What stands in logs, `--json` output and on the wire. */
  toJSON(): ErrorRecord {
    return { code: this.code, message: this.message, data: this.data }
  }
}

/**
 * There is no task of this name.
 *
 * Raised: a call, which the daemon refuses (with the setting `unknownTask: 'hold'` it holds the job instead); a run,
 * where the registry of the process that runs it has no such task.
 *
 * Data: `task`, the name; `nearest`, the most similar name there is; `project`, where a registry was asked.
 *
 * Cure: correct the name. A new task: run `ztask generate` where the daemon runs, or deploy the daemon before the
 * application. A renamed one: give it `aliases: ['oldName']`.
 */
export class UnknownTaskError extends ZtaskError {
  static override readonly code = 'ZTASK_UNKNOWN_TASK'
}

/**
 * The encoded arguments are larger than `maxPayload`: the job is not stored.
 *
 * Raised: a call, by the client before anything is sent, or by a daemon whose `maxPayload` is smaller.
 *
 * Data: `task`; `size` and `maxPayload`, both in bytes.
 *
 * Cure: pass an id and load the data in the task, or raise `maxPayload`.
 */
export class PayloadTooLargeError extends ZtaskError {
  static override readonly code = 'ZTASK_PAYLOAD_TOO_LARGE'
}

/**
 * A batch has too many jobs (100,000 at most), or their encoded arguments are larger than `maxBatch`: none is stored.
 *
 * Raised: a call of `batch`, by the client before anything is sent, or by a daemon whose `maxBatch` is smaller.
 *
 * Data: `task`; `jobs`; `size` and `maxBatch`, both in bytes.
 *
 * Cure: split it; or raise `maxBatch`, where it is the size.
 */
export class BatchTooLargeError extends ZtaskError {
  static override readonly code = 'ZTASK_BATCH_TOO_LARGE'
}

/**
 * What `batch` was given is no list of lists of arguments: nothing is stored.
 *
 * Raised: a call of `batch` in plain JavaScript; in TypeScript it does not compile.
 *
 * Data: `task`; `call`, the place in the list of what is no list of arguments, where the list is one.
 *
 * Cure: give it one list of arguments a job, `tasks.sendEmail.batch([['a@b.c', 'Hi'], ['d@e.f', 'Hi']])`.
 */
export class InvalidBatchError extends ZtaskError {
  static override readonly code = 'ZTASK_INVALID_BATCH'
}

/**
 * An argument cannot be sent: a function, a class instance, a promise, a symbol, …
 *
 * Raised: a call, before anything is sent, in eager and disabled mode too.
 *
 * Data: `path`, where it sits, as in `arguments[1].user.save`; `what` sits there; `call`, its place in a batch.
 *
 * Cure: pass an id and load the rest in the task; await a promise first.
 */
export class UnserializableArgumentError extends ZtaskError {
  static override readonly code = 'ZTASK_UNSERIALIZABLE'
}

/**
 * `after` or `at` was given no usable moment.
 *
 * Raised: a call, before anything is sent.
 *
 * Data: `task`; `seconds`, what after was given; `date`, what at was given.
 *
 * Cure: `after` takes seconds first, 0 to a century; `at` takes a valid Date first. Without a delay call `async`.
 */
export class InvalidDelayError extends ZtaskError {
  static override readonly code = 'ZTASK_INVALID_DELAY'
}

/**
 * The daemon that answers belongs to another project: the job is not stored.
 *
 * Raised: a call or a command, by the daemon.
 *
 * Data: `daemon` and `client`, the project of each.
 *
 * Cure: give one of them another url (`ZTASKD_URL`); or, where both are one project, the same `project`
 * (`ZTASKD_PROJECT`).
 */
export class WrongProjectError extends ZtaskError {
  static override readonly code = 'ZTASK_WRONG_PROJECT'
}

/**
 * The daemon could not write the job to its database: it is not stored.
 *
 * Raised: a call, by the daemon: a full disk, a database that another process holds, a broken file; a job that the
 * database itself does not take, by a trigger of yours say, and then of those that arrived with it only that one.
 *
 * Data: `reason`, the database's own message.
 *
 * Cure: mend what the reason says, and call again. Until then every call is refused so, or, where the database does not
 * take that job, those with the same fault.
 */
export class StorageError extends ZtaskError {
  static override readonly code = 'ZTASK_STORAGE'
}

/**
 * A message was not understood: another version of the protocol, or a malformed one.
 *
 * Raised: a call, by whichever side could not read the other.
 *
 * Data: `ours` and `theirs`, where the versions differ; `frames`, `jobs` or `ids`, where their number is wrong; `address` and
 * `key` of a client whose public key is not listed.
 *
 * Cure: use one version of ztask on both sides. A client of your own: see docs/wire.md.
 */
export class ProtocolError extends ZtaskError {
  static override readonly code = 'ZTASK_PROTOCOL'
}

/**
 * No daemon answered within `callTimeout`: the call never left this process and is withdrawn.
 *
 * Raised: a call, or a command that needs the daemon.
 *
 * Data: `url`; `timeout`, in seconds.
 *
 * Cure: start a daemon (`npx ztask daemon`), or correct the url (`ZTASKD_URL`); where the daemon has keys, give the client
 * one that is listed (`ZTASKD_KEYS`). It is safe to call again. With
 * `onUnavailable: 'inline'` the task runs in the caller instead.
 */
export class DaemonUnavailableError extends ZtaskError {
  static override readonly code = 'ZTASK_UNAVAILABLE'
}

/**
 * The call left this process and no answer came within `callTimeout`: it may be stored or not.
 *
 * Raised: a call, or a command that needs the daemon.
 *
 * Data: `url`; `timeout`, in seconds; `id`, the job's, where it was a call.
 *
 * Cure: `await error.resend()`, which sends the same id again, so that it is not stored twice. A second call would be
 * a second job.
 */
export class OutcomeUnknownError extends ZtaskError {
  static override readonly code = 'ZTASK_OUTCOME_UNKNOWN'
  /** Sends the same job, with the same id, again: it is never stored twice. Resolves to its handle. */
  readonly resend: () => Promise<Job>

  constructor(message: string, data: ErrorData, resend: () => Promise<Job>) {
    super(message, data)
    this.resend = resend
  }
}

/**
 * The client was closed while the call was under way.
 *
 * Raised: a call, after `close()`.
 *
 * Data: none.
 *
 * Cure: close after the last call has ended, or not at all: an application need not.
 */
export class ClientClosedError extends ZtaskError {
  static override readonly code = 'ZTASK_CLIENT_CLOSED'
}

/**
 * The job has failed: no retry is left.
 *
 * Raised: `run`, and `result()` of a handle.
 *
 * Data: `id` and `task`, of the job; `attempts`, how often it was charged. The error's `cause` is what the task threw last, with the
 * name, message, stack and causes that it had there.
 *
 * Cure: mend what the cause says, then `ztask retry ID`; `ztask show ID` has the errors of all attempts.
 *
 * @example
 * export const total = async (left: number, right: number) => {
 *   try {
 *     return await tasks.add.run(left, right)
 *   } catch (error) {
 *     if (!(error instanceof JobFailedError)) throw error
 *     console.warn('it said', (error.cause as Error).message)
 *   }
 * }
 */
export class JobFailedError extends ZtaskError {
  static override readonly code = 'ZTASK_JOB_FAILED'
}

/**
 * The job was cancelled, and has no result.
 *
 * Raised: `run`, and `result()` of a handle.
 *
 * Data: `id` and `task`, of the job.
 *
 * Cure: none is needed where it was meant; else enqueue it again.
 */
export class JobCancelledError extends ZtaskError {
  static override readonly code = 'ZTASK_JOB_CANCELLED'
}

/**
 * The job has ended, or there never was one of this id, and nothing is known of it any more.
 *
 * Raised: `result()` of a handle: it was asked when the job had ended. Of a call with the setting `disabled`, which runs nothing, `run`, too.
 *
 * Data: `id` and `task`, of the job.
 *
 * Cure: call `run`, or ask for the result before the job has ended.
 */
export class ResultGoneError extends ZtaskError {
  static override readonly code = 'ZTASK_RESULT_GONE'
}

/**
 * The job has not ended in the time that its result was waited for. It goes on.
 *
 * Raised: `run`, and `result()` of a handle.
 *
 * Data: `id` and `task`, of the job; `timeout`, in seconds.
 *
 * Cure: wait longer, `job.result({ timeout: 300 })`, or ask again by `getJob(id)`; where no daemon runs, start one.
 */
export class ResultTimeoutError extends ZtaskError {
  static override readonly code = 'ZTASK_RESULT_TIMEOUT'
}

/**
 * The job has succeeded, and what its task returned cannot be sent.
 *
 * Raised: `run`, and `result()` of a handle.
 *
 * Data: `id` and `task`, of the job; `reason`, with the place, as in `result.save`.
 *
 * Cure: return data: an id in place of what cannot be sent, or is larger than `maxPayload`.
 */
export class ResultNotSentError extends ZtaskError {
  static override readonly code = 'ZTASK_RESULT_NOT_SENT'
}

/**
 * Thrown by a task: another run would be in vain, so the job fails at once, whatever retries are left.
 *
 * Raised: by your own code, in a task.
 *
 * Data: none.
 *
 * Cure: what its message says; then `ztask retry ID`.
 *
 * @example
 * export const charge = task(async (card: string) => {
 *   if (card === '') throw new DoNotRetry('there is no card')
 * })
 */
export class DoNotRetry extends ZtaskError {
  static override readonly code = 'ZTASK_DO_NOT_RETRY'

  /** @param options `cause`, the error behind it */
  constructor(message = 'Another run would be in vain.', options?: ErrorOptions) {
    super(message, {}, options)
  }
}

/**
 * Thrown by a task: the job is to run again in that many seconds, and that costs none of its attempts.
 *
 * Raised: by your own code, in a task: a service that is called said when to come back, say.
 *
 * Data: none. The error's own member says when, in seconds.
 *
 * Cure: none is needed.
 *
 * @example
 * export const fetchRates = task(async (url: string) => {
 *   const response = await fetch(url)
 *   if (response.status === 429) throw new RetryAfter(Number(response.headers.get('retry-after')) || 60)
 * })
 */
export class RetryAfter extends ZtaskError {
  static override readonly code = 'ZTASK_RETRY_AFTER'
  readonly seconds: number

  /**
   * @param seconds 0 to 1,000,000,000
   * @throws RangeError where it is no such number
   */
  constructor(seconds: number, message = `It is to run again in ${seconds} s.`, options?: ErrorOptions) {
    if (!(seconds >= 0 && seconds <= 1e9))
      throw new RangeError(`RetryAfter(${seconds}): it takes seconds, 0 or more.`)
    super(message, {}, options)
    this.seconds = seconds
  }
}

/**
 * A task was to run in the caller, and the registry that leads to its code could not be loaded.
 *
 * Raised: a call with `alwaysEager`, or with `onUnavailable: 'inline'` where no daemon answers.
 *
 * Data: `project`. The reason is the error's `cause`.
 *
 * Cure: write `import './ztask/registry.js'` once, beside the import of the client: bundlers do not see it otherwise.
 */
export class RegistryNotLoadedError extends ZtaskError {
  static override readonly code = 'ZTASK_REGISTRY_NOT_LOADED'
}

/**
 * A task was asked to enqueue itself, and does not know its name.
 *
 * Raised: `.async`, `.after`, `.at` and `.delay` of a task whose options give no literal `name`.
 *
 * Data: `verb`, which of them.
 *
 * Cure: call it by the generated client, or write `task({ name: '…' }, …)`.
 */
export class TaskNameNeededError extends ZtaskError {
  static override readonly code = 'ZTASK_TASK_NAME_NEEDED'
}

/**
 * The registry names a module that is gone, or that lacks the task's export.
 *
 * Raised: a run, in the process that runs it: the registry is older than the code.
 *
 * Data: `task`, the name; `export`, what was looked for.
 *
 * Cure: run `ztask generate` again, and commit what it writes.
 */
export class TaskMissingError extends ZtaskError {
  static override readonly code = 'ZTASK_TASK_MISSING'
}

/**
 * There is no job to tell of.
 *
 * Raised: `currentJob()`, outside of a job: a task that is called directly, `sendEmail('a@b.c')`, is a function.
 *
 * Data: none.
 *
 * Cure: enqueue the task; or ask only where it runs as a job.
 */
export class NoCurrentJobError extends ZtaskError {
  static override readonly code = 'ZTASK_NO_CURRENT_JOB'
}

/**
 * Something that is set has a value that cannot be: a setting, a flag, a variable, an option of a task.
 *
 * Raised: the start of a command or a daemon, the first call of a client, `task()`, `with()`.
 *
 * Data: whichever apply of `setting` and its `source`; `option` and its `value`; the `task` of a call whose options cannot be; `callable`; `file`; `url`; `wanted`,
 * `name` and `next`, which are migrations.
 *
 * Cure: the message names the place and says what the value must be.
 */
export class ConfigError extends ZtaskError {
  static override readonly code = 'ZTASK_CONFIG'
}

/**
 * The client and the registry cannot be generated, or the registry cannot be used: nothing is written.
 *
 * Raised: `ztask generate`, and the start of a daemon.
 *
 * Data: `problems`, one for each place, as `ztask generate --json` prints them (docs/codegen.md); or the `file` that
 * cannot be read, written or used; or the `folders` of the project at `root` where no registry is; or the `include` below
 * `root` that no file matches.
 *
 * Cure: the message holds one for each problem; where a registry is missing or is none, run `ztask generate`.
 */
export class GenerateError extends ZtaskError {
  static override readonly code = 'ZTASK_GENERATE'
}

/**
 * The database cannot be had alone.
 *
 * Raised: the start of a daemon, and commands that change the database, where another daemon holds it; or where it
 * lies on a network file system, on which SQLite's locks do not hold.
 *
 * Data: `file`, with the `pid` and the `url` of the daemon that holds it; or `folder` and the `kind` of its file
 * system.
 *
 * Cure: stop the other daemon, or give this one another database (`--database`, `ZTASKD_DATABASE`), on a local disk.
 */
export class DatabaseLockedError extends ZtaskError {
  static override readonly code = 'ZTASK_DATABASE_LOCKED'
}

/**
 * The database was written by a newer ztask than this one.
 *
 * Raised: the start of a daemon, and commands that read the database.
 *
 * Data: `unknown`, the migrations that this version does not know.
 *
 * Cure: update ztask, or use another database.
 */
export class DatabaseTooNewError extends ZtaskError {
  static override readonly code = 'ZTASK_DATABASE_TOO_NEW'
}

/**
 * No job has this id.
 *
 * Raised: `ztask show`.
 *
 * Data: `id`.
 *
 * Cure: none where the job has succeeded: a job that has is deleted. Otherwise correct the id.
 */
export class UnknownJobError extends ZtaskError {
  static override readonly code = 'ZTASK_UNKNOWN_JOB'
}

/**
 * The database cannot be used: its path, its rights, what the file is, another process that writes to it and does not end;
 * of a server, its address or a role's rights; or that an older ztask made it.
 *
 * Raised: the start of a daemon, and commands that read the database.
 *
 * Data: `file`, or the server's address. The reason is the error's `cause`, where it has one.
 *
 * Cure: correct the path or its rights, or name another (`--database`, `ZTASKD_DATABASE`); run `ztask migrate` where it is
 * older than this ztask.
 */
export class DatabaseError extends ZtaskError {
  static override readonly code = 'ZTASK_DATABASE'
}

/**
 * The daemon cannot start, or could not do what it was asked.
 *
 * Raised: the start of a daemon: its address is in use, or its workers cannot load the code, or are not ready in time; a command,
 * where the daemon failed, or the jobs to be listed are too large.
 *
 * Data: `address` and `reason`, where it cannot be bound; `failure`, with the stack, where the code cannot be loaded.
 *
 * Cure: the message says it: stop the process that uses the address or choose another url (`--url`, `ZTASKD_URL`);
 * mend the code at the stack.
 */
export class DaemonError extends ZtaskError {
  static override readonly code = 'ZTASK_DAEMON'
}

const BY_CODE = new Map<string, new (message: string, data?: ErrorData) => ZtaskError>(
  [
    UnknownTaskError,
    BatchTooLargeError,
    InvalidBatchError,
    PayloadTooLargeError,
    UnserializableArgumentError,
    InvalidDelayError,
    WrongProjectError,
    StorageError,
    ProtocolError,
    UnknownJobError,
    DaemonError,
  ].map((type) => [type.code, type]),
)

/** @returns the error that a daemon described; a code this version does not know becomes a plain ZtaskError. */
export const fromRecord = ({ code, message, data }: ErrorRecord): ZtaskError =>
  new (BY_CODE.get(code) ?? ZtaskError)(message, data)
