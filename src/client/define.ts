/** `task()`: makes a function runnable in the background, and leaves it what it is when called here. */
import { ConfigError, TaskNameNeededError } from '../model/errors.ts'
import type { RunOptions } from '../model/run-options.ts'
import { type Arg, type NamedTask, TASK, type Task, type TaskOptions } from '../model/task.ts'
import { optionFault } from '../model/task-options.ts'
import { callsByName, checkedCallOptions } from './client.ts'

/** What `task(options, fn)` returns: calls of its own only where the options' type knows the name. */
export type Defined<F, Name> = Name extends string ? (string extends Name ? Task<F> : NamedTask<F>) : Task<F>

type AnyCallable = (...args: unknown[]) => unknown

/**
 * Makes a function a task. Its name is the name it is exported by, unless `options.name` gives another.
 *
 * @param options data: literals and references to constants, which `ztask generate` reads
 * @param fn the function; what it takes must be data that can be sent
 * @returns the function, which runs here and now when it is called, marked as a task
 * @throws ConfigError where an option is unknown or has a value that cannot be
 *
 * @example
 * export const sendEmail = task(async (to: string, subject: string) => console.log(to, subject))
 * export const resize = task({ retryCount: 10 }, (path: string, width: number) => `${path} at ${width}`)
 */
export function task<F>(fn: Arg<F>): Task<F>
export function task<F, const Name extends string | undefined = undefined>(
  options: TaskOptions & { readonly name?: Name },
  fn: Arg<F>,
): Defined<F, Name>
export function task(first: unknown, second?: unknown): unknown {
  return typeof first === 'function' && second === undefined ? define({}, first) : define(first, second)
}

const define = (options: unknown, fn: unknown): unknown => {
  if (typeof fn !== 'function')
    throw new ConfigError('task() was given no function. Write task(fn) or task({ … }, fn).')
  const checked = checkedOptions(options)
  const run = (...args: unknown[]): unknown => (fn as AnyCallable)(...args)
  copyShape(fn, run)
  Object.defineProperty(run, TASK, { value: Object.freeze({ options: checked }) })
  return Object.assign(run, calls(checked.name, fn.name))
}

const checkedOptions = (options: unknown): TaskOptions => {
  if (options === null || typeof options !== 'object')
    throw new ConfigError('The options of task() must be an object, such as { retryCount: 3 }.')
  for (const [option, value] of Object.entries(options)) {
    const fault = optionFault(option, value)
    if (fault !== undefined) throw new ConfigError(`${fault.message} ${fault.cure}`, { option, value })
  }
  return Object.freeze({ ...options })
}

const copyShape = (from: { name: string; length: number }, to: object): void => {
  for (const key of ['name', 'length'] as const)
    Object.defineProperty(to, key, { value: from[key], configurable: true })
}

/** The calls are always there, so that JavaScript and a widened type get a sentence instead of "not a function". */
const calls = (
  name: string | undefined,
  fnName: string,
  options: RunOptions = {},
): Record<string, AnyCallable> => ({
  with: (more) => {
    if (name === undefined) throw nameNeeded('with', fnName)
    return calls(name, fnName, { ...options, ...checkedCallOptions(name, more as RunOptions) })
  },
  ...Object.fromEntries(
    (['async', 'after', 'at', 'batch', 'run', 'delay'] as const).map((verb) => [
      verb,
      async (...args: unknown[]) => {
        if (name === undefined) throw nameNeeded(verb, fnName)
        // The client may be loaded only after this has been written down.
        const call = callsByName(name).with(options)[verb] as AnyCallable
        return call(...args)
      },
    ]),
  ),
})

const nameNeeded = (verb: string, fnName: string): TaskNameNeededError => {
  const example = fnName === '' ? 'sendEmail' : fnName
  return new TaskNameNeededError(
    `.${verb}() needs the task's name, which its options do not give: write task({ name: '${example}' }, …), or call tasks.${example}.${verb}() of the generated client.`,
    { verb },
  )
}
