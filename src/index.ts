/** What an application imports. Importing it opens nothing and loads neither the socket, the scanner nor the database. */
export { type ClientSpec, getJob, makeClient } from './client/client.ts'
export { type Defined, task } from './client/define.ts'
export { close } from './client/process.ts'
export type { CurrentJob, JobLog, JobSignal, WriteLog } from './model/current-job.ts'
export {
  BatchTooLargeError,
  ClientClosedError,
  ConfigError,
  DaemonError,
  DaemonUnavailableError,
  DatabaseError,
  DatabaseLockedError,
  DatabaseTooNewError,
  DoNotRetry,
  GenerateError,
  InvalidBatchError,
  InvalidDelayError,
  JobCancelledError,
  JobFailedError,
  NoCurrentJobError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  ProtocolError,
  RegistryNotLoadedError,
  ResultGoneError,
  ResultNotSentError,
  ResultTimeoutError,
  RetryAfter,
  StorageError,
  TaskMissingError,
  TaskNameNeededError,
  UnknownJobError,
  UnknownTaskError,
  UnserializableArgumentError,
  WrongProjectError,
  ZtaskError,
} from './model/errors.ts'
export type { Progress } from './model/progress.ts'
export type { Backoff, RetryPause, RunOptions } from './model/run-options.ts'
export {
  type AnyFunction,
  type Arg,
  type Args,
  type Calls,
  type CallsOf,
  type Cancelled,
  type FunctionOf,
  isTask,
  type Job,
  type JobStatus,
  type NamedTask,
  type Result,
  type ResultOptions,
  type Task,
  type TaskCalls,
  type TaskMark,
  type TaskOptions,
  type UnknownFunction,
} from './model/task.ts'
export { type ClientSettings, defineConfig, type Settings, type UserConfig } from './settings.ts'
export { currentJob } from './worker/current.ts'
export { defineRegistry, type Registry, type RegistryEntry } from './worker/registry.ts'
