/** How a run ended, as plain data. */
import { types } from 'node:util'

/** An error as it is kept: what a person needs to find its cause. */
export interface Failure {
  readonly name: string
  readonly message: string
  readonly stack: string
  readonly cause?: Failure
}

/** Which code a run ran. Numbers begin anew with each start of the daemon; the time tells them apart. */
export interface CodeVersion {
  /** The number of the generation. */
  readonly generation: number
  /** When the worker began to load it, epoch ms. */
  readonly loaded: number
}

/** How a charged run failed. */
export interface FailedAttempt {
  /** Epoch ms. */
  readonly at: number
  readonly failure: Failure
  /** Not known of a run that went with its daemon. */
  readonly code?: CodeVersion
}

export type Outcome =
  /** With what the task returned, encoded, where somebody waits for it. */
  | { readonly kind: 'succeeded'; readonly result?: string }
  /** `final`, where it says that another run would be in vain. */
  | { readonly kind: 'threw'; readonly failure: Failure; readonly final?: true }
  /** It asks for another run in so many seconds. */
  | { readonly kind: 'postponed'; readonly seconds: number }
  /** There is no code to run: the module is gone, or lacks the export. */
  | { readonly kind: 'missing'; readonly reason: string }
  /** It had not begun, and the worker will not begin it. */
  | { readonly kind: 'unbegun' }

/** Of a job whose result nobody wants. */
export const SUCCEEDED: Outcome = { kind: 'succeeded' }

/** What is told to whoever waits for a job. */
export type Ending =
  /** What the task returned, encoded. */
  | { readonly kind: 'succeeded'; readonly result: string }
  /** No retry is left. */
  | { readonly kind: 'failed'; readonly failure: Failure; readonly attempts: number }
  | { readonly kind: 'cancelled' }
  /** It has ended, or there never was such a job: nothing is known of it any more. */
  | { readonly kind: 'gone' }

/** Longer texts are cut: a row should not grow with what a task throws. */
const LONGEST_TEXT = 16_384
/** Deeper chains of causes are cut; a cause may also be its own cause. */
const DEEPEST_CAUSE = 4

const UNREADABLE = '(unreadable)'

const cut = (value: string): string =>
  value.length > LONGEST_TEXT ? `${value.slice(0, LONGEST_TEXT)}…` : value

/** A getter or a `toString` that throws must not hide that the task failed. */
const attempt = (read: () => unknown): string => {
  try {
    return cut(String(read()))
  } catch {
    return UNREADABLE
  }
}

/**
 * @param thrown whatever a task threw: an error, or any other value
 * @returns its name, message and stack, and those of its causes, four deep
 */
export const failureOf = (thrown: unknown): Failure => {
  try {
    return read(thrown, 0)
  } catch {
    return { name: 'NonErrorThrown', message: UNREADABLE, stack: '' }
  }
}

/** @param timeout ms @param cause what it threw when it was told */
export const tookTooLong = (task: string, timeout: number, cause?: Failure): Failure => ({
  name: 'TimeoutError',
  message: `${task} took longer than its timeout of ${timeout / 1000} s`,
  stack: '',
  ...(cause && { cause }),
})

/** @returns an error like the one that a failure was made of; `instanceof` tells nothing of it */
export const errorOf = ({ name, message, stack, cause }: Failure): Error => {
  const error = new Error(message, cause && { cause: errorOf(cause) })
  for (const [key, value] of Object.entries({ name, stack }))
    Object.defineProperty(error, key, { value, enumerable: false, configurable: true, writable: true })
  return error
}

/**
 * Also one of another realm: in jest, which runs tests in a VM context, those that Node itself throws are. To Node 22 a
 * DOMException, an AbortError say, is no native error.
 */
const isError = (thrown: unknown): thrown is Error =>
  thrown instanceof Error ||
  types.isNativeError(thrown) ||
  Object.prototype.toString.call(thrown) === '[object DOMException]'

const read = (thrown: unknown, depth: number): Failure => {
  if (!isError(thrown)) {
    const message = attempt(() => (typeof thrown === 'object' ? JSON.stringify(thrown) : thrown))
    return { name: 'NonErrorThrown', message, stack: '' }
  }
  const failure = {
    name: attempt(() => thrown.name),
    message: attempt(() => thrown.message),
    stack: attempt(() => thrown.stack ?? ''),
  }
  let cause: unknown
  try {
    cause = thrown.cause
  } catch {
    return failure
  }
  if (cause === undefined || depth >= DEEPEST_CAUSE) return failure
  return { ...failure, cause: read(cause, depth + 1) }
}
