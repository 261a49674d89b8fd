/**
 * Every error that a user can meet: a name, a code, the data as a field, and a message that ends with the cure.
 * Codes are stable; messages are not.
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
 * The base of all errors that ztask raises.
 *
 * @example
 * try { await tasks.sendEmail.async('a@b.c') } catch (error) {
 *   if (error instanceof ZtaskError && error.code === 'ZTASK_UNAVAILABLE') { … }
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

/** The daemon knows no task of this name; `data.nearest` holds the most similar name it does know. */
export class UnknownTaskError extends ZtaskError {
  static override readonly code = 'ZTASK_UNKNOWN_TASK'
}

/** The encoded arguments exceed `maxPayload`; `data` holds both sizes in bytes. */
export class PayloadTooLargeError extends ZtaskError {
  static override readonly code = 'ZTASK_PAYLOAD_TOO_LARGE'
}

/** An argument cannot be sent; `data.path` says where it sits, as in `arguments[1].user.save`. */
export class UnserializableArgumentError extends ZtaskError {
  static override readonly code = 'ZTASK_UNSERIALIZABLE'
}

/** `after` or `at` was given no usable moment. */
export class InvalidDelayError extends ZtaskError {
  static override readonly code = 'ZTASK_INVALID_DELAY'
}

/** The daemon that answers belongs to another project. */
export class WrongProjectError extends ZtaskError {
  static override readonly code = 'ZTASK_WRONG_PROJECT'
}

/** The daemon could not write the job to its database: it is not stored. */
export class StorageError extends ZtaskError {
  static override readonly code = 'ZTASK_STORAGE'
}

/** The daemon could not read the message: another version of the protocol, or a malformed call. */
export class ProtocolError extends ZtaskError {
  static override readonly code = 'ZTASK_PROTOCOL'
}

/** No daemon answered within `callTimeout`; the call never left this process and is withdrawn. */
export class DaemonUnavailableError extends ZtaskError {
  static override readonly code = 'ZTASK_UNAVAILABLE'
}

/** The call left this process and no answer came: it may be stored or not. `resend()` sends the same id again. */
export class OutcomeUnknownError extends ZtaskError {
  static override readonly code = 'ZTASK_OUTCOME_UNKNOWN'
  /** Sends the same job, with the same id, again: it is never stored twice. Resolves to its handle. */
  readonly resend: () => Promise<Job>

  constructor(message: string, data: ErrorData, resend: () => Promise<Job>) {
    super(message, data)
    this.resend = resend
  }
}

/** The client was closed while the call was under way, or before it was made. */
export class ClientClosedError extends ZtaskError {
  static override readonly code = 'ZTASK_CLIENT_CLOSED'
}

/** Eager or inline mode needs the registry, and it could not be loaded. */
export class RegistryNotLoadedError extends ZtaskError {
  static override readonly code = 'ZTASK_REGISTRY_NOT_LOADED'
}

/** `.async` and its kin work on the function itself only where its options give a literal `name`. */
export class TaskNameNeededError extends ZtaskError {
  static override readonly code = 'ZTASK_TASK_NAME_NEEDED'
}

/** The registry names a module that is gone, or that lacks the task's export. */
export class TaskMissingError extends ZtaskError {
  static override readonly code = 'ZTASK_TASK_MISSING'
}

/** A setting, a flag or an environment variable has a value that cannot be. */
export class ConfigError extends ZtaskError {
  static override readonly code = 'ZTASK_CONFIG'
}

/** The project's sources cannot be generated from; `data.problems` lists every place. */
export class GenerateError extends ZtaskError {
  static override readonly code = 'ZTASK_GENERATE'
}

/** Another daemon holds this database. */
export class DatabaseLockedError extends ZtaskError {
  static override readonly code = 'ZTASK_DATABASE_LOCKED'
}

/** The database was written by a newer ztask than this one. */
export class DatabaseTooNewError extends ZtaskError {
  static override readonly code = 'ZTASK_DATABASE_TOO_NEW'
}

/** No job has this id. */
export class UnknownJobError extends ZtaskError {
  static override readonly code = 'ZTASK_UNKNOWN_JOB'
}

/** The database cannot be opened: its path, its rights, or what the file is. */
export class DatabaseError extends ZtaskError {
  static override readonly code = 'ZTASK_DATABASE'
}

/** The daemon cannot start, or could not go on. */
export class DaemonError extends ZtaskError {
  static override readonly code = 'ZTASK_DAEMON'
}

const BY_CODE = new Map<string, new (message: string, data?: ErrorData) => ZtaskError>(
  [
    UnknownTaskError,
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
