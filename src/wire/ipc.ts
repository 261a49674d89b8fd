/** What travels between the master and its workers, over the cluster's own channel. */
import type { LogOptions } from '../model/log-options.ts'
import type { Failure, Outcome } from '../model/outcome.ts'
import type { Progress } from '../model/progress.ts'
import type { StopReason } from '../model/run.ts'
import type { TaskSpec } from '../model/task-spec.ts'

/**
 * A job handed to a worker: the run's number, the job's id, task and arguments, which attempt it is (from 1), when it
 * was made (epoch ms), and what is to be told of it beside how it ends: 0, BEGINNING, RESULT, or both.
 */
export type Handing = readonly [
  run: number,
  id: string,
  task: string,
  args: string,
  attempt: number,
  created: number,
  asked: number,
]

/** When it begins: it has a timeout. */
export const BEGINNING = 1
/** What it returns: somebody wants it. */
export const RESULT = 2

/** How a run has ended. Mostly it has succeeded and nobody wants its result: then its number says it all. */
export type Ended = number | readonly [run: number, Outcome]

export type MasterMessage =
  /** Load this code; the first message, and sent once. */
  | ({ readonly kind: 'load' } & Loading)
  /**
   * To be begun in this order, as many at a time as the brief says; while one of them loads its module, none whose task is
   * not there yet. `first` is the place of the first of them.
   */
  | { readonly kind: 'jobs'; readonly first: number; readonly jobs: readonly Handing[] }
  /** Let the run's signal say that it should end; where it has not begun it is not to begin. */
  | { readonly kind: 'abort'; readonly run: number; readonly reason: StopReason }
  /** Somebody wants what the run returns. */
  | { readonly kind: 'wanted'; readonly run: number }
  /** Answered from the event loop: with `pong`, where that turns. */
  | { readonly kind: 'ping' }
  /** The log file was renamed: open it anew. */
  | { readonly kind: 'reopen' }
  /** Finish what runs, run onExit, end. */
  | { readonly kind: 'retire' }
  /** Nothing may run on beyond it. */
  | ({ readonly kind: 'lease' } & Leased)

export type WorkerMessage =
  /** A debugger keeps the worker, which is done, from ending. */
  | { readonly kind: 'left' }
  /** What this worker's code can run. */
  | { readonly kind: 'ready'; readonly tasks: readonly TaskSpec[] }
  /**
   * Files that its code has come from since the last such message, absolute, the first of them read after `since` (epoch ms);
   * told where `traced`.
   */
  | { readonly kind: 'files'; readonly files: readonly string[]; readonly since: number }
  /** The module of this task is about to be imported, with no job that needs it; or of none any more. */
  | { readonly kind: 'importing'; readonly task: string | undefined }
  /** The module of a task does not load; its jobs fail, those of others run. */
  | { readonly kind: 'faulty'; readonly task: string; readonly failure: Failure }
  /** The code cannot be loaded, or onLoad threw; the worker ends. */
  | { readonly kind: 'broken'; readonly failure: Failure }
  /** `loading`: jobs wait for a module that is being loaded; `loaded` follows. */
  | { readonly kind: 'pong'; readonly loading: boolean }
  /** What waited for a module begins. */
  | { readonly kind: 'loaded' }
  /** The run waits for these jobs, too, and its slot is free for the next; with none it goes on, and has one again. */
  | { readonly kind: 'waits'; readonly run: number; readonly awaits: readonly string[] }
  /** How far these runs are, as their tasks say. */
  | { readonly kind: 'progress'; readonly runs: readonly (readonly [run: number, Progress])[] }
  /** The task is about to be called, its code loaded and its arguments decoded. */
  | { readonly kind: 'begun'; readonly run: number }
  /**
   * `worked` is how long, in ms, the worker has had something to do since its last report; all runs up to `begun` have
   * begun, or do as soon as this is sent.
   */
  | {
      readonly kind: 'ended'
      readonly ended: readonly Ended[]
      readonly worked: number
      readonly begun: number
    }

/**
 * @param message whatever came over a worker's channel: user code may send there, too
 * @returns it, where it is one of ours
 */
export const workerMessage = (message: unknown): WorkerMessage | undefined => {
  if (typeof message !== 'object' || message === null) return undefined
  const said = message as Partial<Record<string, unknown>>
  return SHAPES[said.kind as WorkerMessage['kind']]?.(said) === true ? (message as WorkerMessage) : undefined
}

const SHAPES: {
  readonly [Kind in WorkerMessage['kind']]: (said: Partial<Record<string, unknown>>) => boolean
} = {
  left: () => true,
  pong: ({ loading }) => typeof loading === 'boolean',
  loaded: () => true,
  ready: ({ tasks }) => Array.isArray(tasks),
  files: ({ files, since }) =>
    typeof since === 'number' && Array.isArray(files) && files.every((file) => typeof file === 'string'),
  importing: ({ task }) => task === undefined || typeof task === 'string',
  faulty: ({ task, failure }) => typeof task === 'string' && isFailure(failure),
  broken: ({ failure }) => isFailure(failure),
  begun: ({ run }) => typeof run === 'number',
  waits: ({ run, awaits }) =>
    typeof run === 'number' && Array.isArray(awaits) && awaits.every((id) => typeof id === 'string'),
  progress: ({ runs }) =>
    Array.isArray(runs) && runs.every((one) => Array.isArray(one) && isProgress(one[1])),
  ended: ({ ended, worked, begun }) =>
    typeof worked === 'number' &&
    typeof begun === 'number' &&
    Array.isArray(ended) &&
    ended.every((one) => typeof one === 'number' || (Array.isArray(one) && isOutcome(one[1]))),
}

const isProgress = (said: Partial<Progress> | null | undefined): boolean =>
  typeof said?.fraction === 'number' && (said.message === undefined || typeof said.message === 'string')

const isOutcome = (said: Partial<Outcome> | null | undefined): boolean => {
  switch (said?.kind) {
    case 'succeeded':
      return said.result === undefined || typeof said.result === 'string'
    case 'unbegun':
      return true
    case 'threw':
      return isFailure(said.failure)
    case 'postponed':
      return typeof said.seconds === 'number' && said.seconds >= 0
    case 'missing':
      return typeof said.reason === 'string'
    default:
      return false
  }
}

const isFailure = (said: unknown): boolean => {
  const { name, message, stack } = (said ?? {}) as Partial<Failure>
  return typeof name === 'string' && typeof message === 'string' && typeof stack === 'string'
}

/** What a worker is told in its environment, as JSON, before it runs a line. */
export interface WorkerBrief {
  readonly root: string
  /** Jobs to run at a time. */
  readonly concurrency: number
  /** What a task returns may take so many bytes. */
  readonly maxPayload: number
  /** Where `currentJob().log` writes, as the daemon's own log does. */
  readonly log: LogOptions
  /** Whether TypeScript will be loaded, by tsx: that is then there before the code. */
  readonly typescript: boolean
}

/** The code that a worker is to load. */
export interface Loading {
  readonly registry: string
  readonly loader: string | undefined
  readonly onLoad: readonly string[]
  readonly onExit: readonly string[]
  /** Every task has to load before the worker is ready; else what does not load is told, and fails its own jobs. */
  readonly strict: boolean
  /** Tasks whose modules have ended a worker as they were imported: they are only where a job needs them. */
  readonly skip: readonly string[]
  /** Whether to tell the files that the code comes from. */
  readonly traced: boolean
  /** What tsx has found out of the project's modules: where there is tsx, and others load most of them again. */
  readonly modules: ModuleFiles | undefined
}

/** Files, absolute. */
export interface ModuleFiles {
  /** What the workers of an earlier generation have left, where it holds. */
  readonly reads: string | undefined
  /** What to leave for those of the next one. */
  readonly writes: string | undefined
}

/** Until when jobs are their daemon's, by the host's monotonic clock, ms: at `notice` they are told to end, at `end` they are killed. */
export interface Leased {
  readonly notice: number
  readonly end: number
}

/** The environment variable that holds the brief. */
export const BRIEF = 'ZTASK_WORKER'
/**
 * The file descriptor whose other end only the master holds: its end of file is the master's death. A line on it calls
 * jobs back; a thread of the worker answers, whatever the worker's event loop does. Both lines are a JSON list of places:
 * those asked for, then those of them that had not begun and never will. A line with a number alone is written by the
 * worker at the moment when it begins that run while it runs nothing else: what kills its worker at its first line is
 * known by it. A number alone from the master is when the worker is to be dead, by the host's monotonic clock, ms.
 */
export const LIFELINE_FD = 3
/** The most jobs a worker holds beyond those that it can begin at once. */
export const MOST_STOCK = 512

/**
 * Jobs handed to one worker are counted; their places are 32-bit numbers that wrap around.
 *
 * @returns the place after this one
 */
export const nextPlace = (place: number): number => (place + 1) | 0
