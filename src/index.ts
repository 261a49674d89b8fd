/** What an application imports. Importing it opens nothing and loads neither the socket, the scanner nor the database. */
export { type ClientSpec, makeClient } from './client/client.ts'
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
  GenerateError,
  InvalidBatchError,
  InvalidDelayError,
  NoCurrentJobError,
  OutcomeUnknownError,
  PayloadTooLargeError,
  ProtocolError,
  RegistryNotLoadedError,
  StorageError,
  TaskMissingError,
  TaskNameNeededError,
  UnknownJobError,
  UnknownTaskError,
  UnserializableArgumentError,
  WrongProjectError,
  ZtaskError,
} from './model/errors.ts'
export {
  type AnyFunction,
  type Arg,
  type Args,
  type Calls,
  type CallsOf,
  type Cancelled,
  isTask,
  type Job,
  type NamedTask,
  type Task,
  type TaskCalls,
  type TaskMark,
  type TaskOptions,
} from './model/task.ts'
export { type ClientSettings, defineConfig, type Settings, type UserConfig } from './settings.ts'
export { currentJob } from './worker/current.ts'
export { defineRegistry, type Registry, type RegistryEntry } from './worker/registry.ts'
