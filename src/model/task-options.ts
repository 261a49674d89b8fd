/** The one list of what a task's options may be, for `task()` as it runs and for `ztask generate` as it reads. */
import { nearest } from './nearest.ts'
import { RUN_OPTIONS } from './run-options.ts'
import type { TaskOptions } from './task.ts'

interface Check {
  readonly fits: (value: unknown) => boolean
  /** What the value must be, in words that follow "must be". */
  readonly expected: string
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u
const isName = (value: unknown): boolean => typeof value === 'string' && IDENTIFIER.test(value)
const isNumber = (value: unknown, most: number): value is number =>
  typeof value === 'number' && value >= 0 && value <= most

const isSeconds = (value: unknown): value is number => isNumber(value, 1e9)
const isPauses = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.length <= 100 && value.every(isSeconds)

const isBackoff = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { backoff, first, most = 0, jitter = 0, ...others } = value as Partial<Record<string, unknown>>
  return (
    backoff === 'exponential' &&
    isSeconds(first) &&
    isSeconds(most) &&
    isNumber(jitter, 1) &&
    Object.keys(others).length === 0
  )
}

/** A timer over 2^31 ms fires at once; 24 days are below. */
const LONGEST_TIMEOUT = 24 * 86_400

/** Each that is in use has a window of its own in the master, and costs a refill a statement. */
const MOST_PRIORITY = 10

const CHECKS: { readonly [K in keyof Required<TaskOptions>]: Check } = {
  name: { fits: isName, expected: "an identifier, such as 'sendEmail'" },
  aliases: {
    fits: (value) => Array.isArray(value) && value.every(isName),
    expected: "a list of identifiers, such as ['oldName']",
  },
  retryCount: {
    fits: (value) => isNumber(value, 1e6) && Number.isInteger(value),
    expected: 'a whole number, 0 to 1,000,000',
  },
  retryAfter: {
    fits: (value) => isSeconds(value) || isPauses(value) || isBackoff(value),
    expected:
      "a number of seconds, 0 or more, a list of 1 to 100 of them, or { backoff: 'exponential', first, most, jitter }",
  },
  timeout: {
    fits: (value) => isNumber(value, LONGEST_TIMEOUT) && value > 0,
    expected: `a number of seconds, above 0 and up to ${LONGEST_TIMEOUT}`,
  },
  priority: {
    fits: (value) => Number.isInteger(value) && Math.abs(value as number) <= MOST_PRIORITY,
    expected: `a whole number, ${-MOST_PRIORITY} to ${MOST_PRIORITY}`,
  },
  expiresIn: { fits: (value) => isSeconds(value) && value > 0, expected: 'a number of seconds above 0' },
  keepResult: { fits: isSeconds, expected: 'a number of seconds, 0 or more' },
  keepFailed: { fits: isSeconds, expected: 'a number of seconds, 0 or more' },
}

const NAMES = Object.keys(CHECKS)

/** @returns whether there is an option of that name. */
export const isOption = (name: string): boolean => Object.hasOwn(CHECKS, name)

/** What is wrong with an option, and what to do about it. */
export interface OptionFault {
  readonly message: string
  readonly cure: string
}

/** @returns what is wrong with an option of that name and value; `undefined` where nothing is, or where the value is. */
export const optionFault = (name: string, value: unknown): OptionFault | undefined => {
  if (!isOption(name)) return unknownOption(name)
  const check = CHECKS[name as keyof TaskOptions]
  if (value === undefined || check.fits(value)) return undefined
  const shown = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? typeof value)
  return { message: `The option '${name}' is ${shown}.`, cure: `It must be ${check.expected}.` }
}

/** @returns what is wrong with the options of a call; `undefined` where nothing is */
export const runOptionsFault = (options: unknown): OptionFault | undefined => {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    return {
      message: 'The options of a call are no object.',
      cure: 'Give it some, such as { retryCount: 3 }.',
    }
  for (const [name, value] of Object.entries(options)) {
    const isCalls = RUN_OPTIONS.some((one) => one === name)
    const fault = isCalls ? optionFault(name, value) : unknownOption(name, RUN_OPTIONS)
    if (fault !== undefined) return fault
  }
  return undefined
}

const unknownOption = (name: string, names: readonly string[] = NAMES): OptionFault => {
  const similar = nearest(name, names)
  const cure = similar === undefined ? `The options are ${names.join(', ')}.` : `Did you mean '${similar}'?`
  return { message: `There is no option '${name}'.`, cure }
}
