/**
 * What travels between client and daemon: a DEALER and a ROUTER, two frames a message, the protocol's name with its
 * version and a JSON object.
 *
 * JSON and not MessagePack: on batches of 64 jobs of 146 bytes JSON took 0.24 µs a job to write and 0.22 to read,
 * msgpackr 0.54 and 0.10 (Node 24); at 20 µs that a job costs in all, a format that any language speaks wins.
 */
import { type ErrorRecord, ProtocolError } from '../model/errors.ts'
import type { Ending } from '../model/outcome.ts'
import type { Progress } from '../model/progress.ts'
import type { RunOptions } from '../model/run-options.ts'
import { runOptionsFault } from '../model/task-options.ts'

/** The first frame. A daemon answers another version with a ProtocolError that names both. */
export const PROTOCOL = 'ztask/1'

/**
 * A job on its way: id, task, encoded arguments, then milliseconds from its arrival (`after`), or a date in epoch
 * milliseconds (`at`), or neither; for how many milliseconds its sender waits for its result; and options of its runs.
 */
export type WireJob =
  | readonly [id: string, task: string, args: string]
  | readonly [id: string, task: string, args: string, after: number]
  | readonly [id: string, task: string, args: string, after: null, at: number]
  | readonly [id: string, task: string, args: string, after: number | null, at: number | null, wait: number]
  | readonly [
      id: string,
      task: string,
      args: string,
      after: number | null,
      at: number | null,
      wait: number | null,
      options: RunOptions,
    ]

/** A job whose result somebody waits for, or which he watches, for so many milliseconds. */
export type Awaited = readonly [id: string, wait: number]

/** How far a job is that is watched: not known yet, so far, or over. */
export type Watched = readonly [id: string, progress?: Progress | null]

/** The questions and orders that commands send. */
export const VERBS = ['status', 'list', 'show', 'retry', 'cancel', 'delete', 'reload'] as const
export type Verb = (typeof VERBS)[number]

export type ClientMessage =
  | { readonly kind: 'hello'; readonly project: string }
  | {
      readonly kind: 'enqueue'
      readonly project: string
      readonly seq: number
      readonly jobs: readonly WireJob[]
      /** All of them are to be stored, or none. */
      readonly together?: true
      /** Of those that have none of their own. */
      readonly options?: RunOptions
    }
  | {
      readonly kind: 'ask'
      readonly project: string
      readonly seq: number
      readonly verb: Verb
      readonly params: unknown
    }
  /** Tell how these end, as soon as they have. They are stored. */
  | { readonly kind: 'await'; readonly project: string; readonly jobs: readonly Awaited[] }
  /** Tell how far these are, now and when it changes; for 0 ms: no longer. */
  | { readonly kind: 'watch'; readonly project: string; readonly jobs: readonly Awaited[] }
  /** How these have ended has arrived: nothing need be kept for this client. */
  | { readonly kind: 'seen'; readonly project: string; readonly ids: readonly string[] }

export type DaemonMessage =
  /** `link` names this connection to this daemon: while it stays the same, nothing that was sent is lost. */
  | { readonly kind: 'welcome'; readonly link: string }
  /** All jobs of the message are on disk but for the refused, each named by its place in the message. */
  | {
      readonly kind: 'stored'
      readonly seq: number
      readonly refused?: readonly (readonly [number, ErrorRecord])[]
    }
  | { readonly kind: 'answer'; readonly seq: number; readonly value: unknown }
  /** How jobs have ended that this client awaits. */
  | { readonly kind: 'ended'; readonly jobs: readonly (readonly [id: string, Ending])[] }
  /** How far jobs are that this client watches. */
  | { readonly kind: 'progress'; readonly jobs: readonly Watched[] }
  /** The message as a whole (an enqueue of jobs together, one of which is refused), or without `seq` whatever the client may send, is refused. */
  | { readonly kind: 'refused'; readonly seq?: number; readonly error: ErrorRecord }

export const encode = (message: ClientMessage | DaemonMessage): [string, string] => [
  PROTOCOL,
  JSON.stringify(message),
]

const CURE = 'Only clients and daemons of ztask belong at this address: check ZTASKD_URL.'

const parse = (frames: readonly Uint8Array[]): Record<string, unknown> => {
  const [name, body] = frames.map((frame) => Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength))
  if (name === undefined || body === undefined || frames.length !== 2)
    throw new ProtocolError(`A message has 2 frames; this one has ${frames.length}. ${CURE}`, {
      frames: frames.length,
    })
  const found = name.subarray(0, 32).toString('latin1')
  if (found !== PROTOCOL)
    throw new ProtocolError(
      `This side speaks ${PROTOCOL}, the other ${found}. Use one version of ztask on both.`,
      {
        ours: PROTOCOL,
        theirs: found,
      },
    )
  if (body.byteLength > UNCOUNTED && valuesIn(body) > MOST_VALUES)
    throw new ProtocolError(`A message has at most ${MOST_VALUES} values; this one has more. ${CURE}`)
  let message: unknown
  try {
    message = JSON.parse(body.toString())
  } catch (cause) {
    throw new ProtocolError(`The message is not JSON. ${CURE}`, {}, { cause })
  }
  if (message === null || typeof message !== 'object')
    throw new ProtocolError(`The message is not an object. ${CURE}`)
  return message as Record<string, unknown>
}

/** Bytes of a body whose values need no count: the worst that they hold is a few dozen MB. */
const UNCOUNTED = 2 * 2 ** 20

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** A comma, a colon, and what opens a list or an object: as many as there are values and keys. */
const BEFORE_VALUE: readonly number[] = [0x2c, 0x3a, 0x5b, 0x7b]

/**
 * Counts before anything is made of it: of 13 MB with a million keys JSON.parse makes 300 MB.
 *
 * @returns how many values and keys a JSON text holds, or a few more
 */
const valuesIn = (json: Uint8Array): number => {
  let values = 0
  let inString = false
  for (let at = 0; at < json.byteLength; at++) {
    const byte = json[at] as number
    if (byte === QUOTE) inString = !inString
    else if (inString) {
      if (byte === BACKSLASH) at++
    } else if (BEFORE_VALUE.includes(byte)) values++
  }
  return values
}

const isSeq = (value: unknown): value is number => Number.isSafeInteger(value)
const isText = (value: unknown): value is string => typeof value === 'string'

/**
 * Reads what a client sent. The jobs of an enqueue are checked one by one by `checkJob`, so that each fails alone.
 *
 * @throws ProtocolError where it is no message of ours
 */
export const readClientMessage = (frames: readonly Uint8Array[]): ClientMessage => {
  const message = parse(frames)
  const { kind, project, seq, jobs, ids, verb } = message
  const fits =
    isText(project) &&
    (kind === 'hello' ||
      (kind === 'enqueue' && isSeq(seq) && Array.isArray(jobs)) ||
      ((kind === 'await' || kind === 'watch') &&
        Array.isArray(jobs) &&
        jobs.length <= MOST_JOBS &&
        jobs.every(isAwaited)) ||
      (kind === 'seen' && Array.isArray(ids) && ids.length <= MOST_JOBS && ids.every(isId)) ||
      (kind === 'ask' && isSeq(seq) && VERBS.includes(verb as Verb)))
  const shown = isText(kind) ? `'${kind.slice(0, 40)}'` : typeof kind
  if (!fits) throw new ProtocolError(`No message of ${PROTOCOL}: kind ${shown}. ${CURE}`)
  return message as ClientMessage
}

/** @throws ProtocolError where it is no message of ours */
export const readDaemonMessage = (frames: readonly Uint8Array[]): DaemonMessage =>
  parse(frames) as DaemonMessage

/** RFC 9562, any version. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
/** The range of JavaScript's Date, ECMA-262 21.4.1.1. */
const LATEST_DATE = 8.64e15
/** The longest delay, ms: a century. Beyond it a delay is a mistake of units. */
export const LONGEST_DELAY = 100 * 366 * 86_400_000
/** The longest wait for a result, ms: a timer over 2^31 fires at once. */
export const LONGEST_WAIT = 24 * 86_400_000
/** id, task, args, after, at, wait, options */
const MOST_FIELDS = 7
/** The last of them. */
const OPTIONS = 6
/**
 * Jobs in a message. Refusing a job costs the master more than sending it costs the client: of a frame of 20 MB with ten
 * million of `0` it made ten million errors, 45 s and 3 GB. Ours sends at most 1,000.
 */
export const MOST_JOBS = 10_000

/** Jobs in a message whose jobs are stored together: the first that is refused ends the reading of it. */
export const MOST_TOGETHER = 100_000

/** Values and keys of a message: those of the largest batch, and what is around them. */
const MOST_VALUES = MOST_TOGETHER * (MOST_FIELDS + 1) + 100

const isTime = (value: unknown, latest: number): boolean =>
  value === null || (typeof value === 'number' && value >= 0 && value <= latest)

export const isId = (value: unknown): value is string => isText(value) && UUID.test(value)
const isWait = (value: unknown): value is number =>
  typeof value === 'number' && value >= 0 && value <= LONGEST_WAIT
const isAwaited = (value: unknown): value is Awaited =>
  Array.isArray(value) && value.length === 2 && isId(value[0]) && isWait(value[1])

/** @returns why a job on the wire is none, or `undefined` where it is one. */
export const checkJob = (job: unknown): ProtocolError | undefined => {
  const fault = faultOf(job)
  if (fault === undefined) return checkOptions((job as unknown[])[OPTIONS])
  const error = FAULTS.get(fault) ?? new ProtocolError(fault)
  FAULTS.set(fault, error)
  return error
}

/** @returns why options of a call are none, or `undefined` where they are, or there are none */
export const checkOptions = (options: unknown): ProtocolError | undefined => {
  const wrong = options === undefined || options === null ? undefined : runOptionsFault(options)
  if (wrong === undefined) return undefined
  const text = `${wrong.message} ${wrong.cure}`
  return new ProtocolError(text.length > LONGEST_FAULT ? `${text.slice(0, LONGEST_FAULT)}…` : text)
}

/** Of what is wrong with options, which repeats what the client says. */
const LONGEST_FAULT = 500

/** One error each: making one takes 20 µs, which ten thousand in a message of 20 KB made 200 ms. */
const FAULTS = new Map<string, ProtocolError>()

const faultOf = (job: unknown): string | undefined => {
  if (!Array.isArray(job) || job.length > MOST_FIELDS) return `A job is a list of at most ${MOST_FIELDS}.`
  const [id, task, args, after = null, at = null, wait = null] = job as unknown[]
  if (!isId(id)) return 'A job begins with its UUID in lower case.'
  if (!isText(task) || task === '' || task.length > 200)
    return "A job's task is a name of 1 to 200 characters."
  if (!isText(args)) return "A job's arguments are text."
  if (!isTime(after, LONGEST_DELAY))
    return `A job's delay is a number of milliseconds up to ${LONGEST_DELAY}.`
  if (!isTime(at, LATEST_DATE)) return "A job's date is a number of milliseconds since the epoch."
  if (wait !== null && !isWait(wait))
    return `The wait for a job's result is a number of milliseconds up to ${LONGEST_WAIT}.`
  return after !== null && at !== null ? 'A job has a delay or a date, not both.' : undefined
}
