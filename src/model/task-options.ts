/** The one list of what a task's options may be, for `task()` as it runs and for `ztask generate` as it reads. */
import { nearest } from './nearest.ts'
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

/** A timer over 2^31 ms fires at once; 24 days are below. */
const LONGEST_TIMEOUT = 24 * 86_400

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
  retryAfter: { fits: (value) => isNumber(value, 1e9), expected: 'a number of seconds, 0 or more' },
  timeout: {
    fits: (value) => isNumber(value, LONGEST_TIMEOUT) && value > 0,
    expected: `a number of seconds, above 0 and up to ${LONGEST_TIMEOUT}`,
  },
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

const unknownOption = (name: string): OptionFault => {
  const similar = nearest(name, NAMES)
  const cure = similar === undefined ? `The options are ${NAMES.join(', ')}.` : `Did you mean '${similar}'?`
  return { message: `There is no option '${name}'.`, cure }
}
