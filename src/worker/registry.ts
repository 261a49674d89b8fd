/** The registry: each task's options as data and a lazy import of its code. Whoever runs tasks finds them here. */
import { TaskMissingError, UnknownTaskError } from '../model/errors.ts'
import { nearest } from '../model/nearest.ts'
import { isTask, type TaskOptions } from '../model/task.ts'

/** One task of the registry. */
export interface RegistryEntry {
  /** Imports the module that defines the task. */
  readonly load: () => Promise<unknown>
  /** The name that the module exports it by. */
  readonly export: string
  /** Other names that queued jobs may carry. */
  readonly aliases?: readonly string[]
  readonly options?: Omit<TaskOptions, 'name' | 'aliases'>
}

/** A project's tasks by name; written by `ztask generate`. */
export interface Registry {
  readonly project: string
  /** Of what is in it: the daemon reads it from the text, to tell a registry from an older one. */
  readonly hash?: string
  readonly tasks: Readonly<Record<string, RegistryEntry>>
}

/** A task's function, as a worker calls it. */
export type TaskFunction = (...args: unknown[]) => unknown

/** On globalThis, so that a registry bundled beside another copy of ztask is found. */
const LOADED = Symbol.for('ztask.registry')

const loaded = (): Map<string, Registry> => {
  const holder = globalThis as { [LOADED]?: Map<string, Registry> }
  holder[LOADED] ??= new Map()
  return holder[LOADED]
}

/**
 * Types the generated registry and remembers it by its project.
 *
 * @example
 * defineRegistry({ project: 'shop', tasks: { sendEmail: { load: () => import('../mail.js'), export: 'sendEmail' } } })
 */
export const defineRegistry = (registry: Registry): Registry => {
  loaded().set(registry.project, registry)
  return registry
}

/** @returns the registry of that project, where its module has been loaded in this process. */
export const loadedRegistry = (project: string): Registry | undefined => loaded().get(project)

/** The functions of tasks that have run once. */
const RESOLVED = new WeakMap<Registry, Map<string, TaskFunction>>()

/** @returns the function of a task that has been resolved before */
export const resolvedTask = (registry: Registry, name: string): TaskFunction | undefined =>
  RESOLVED.get(registry)?.get(name)

/**
 * Finds a task's function by its name or one of its aliases; loads the module that holds it.
 *
 * @throws UnknownTaskError where no task has the name, with the most similar one
 * @throws TaskMissingError where the module is gone or no longer exports the task, and what the module throws
 */
export const resolveTask = async (registry: Registry, name: string): Promise<TaskFunction> => {
  const entry = entryOf(registry, name)
  if (entry === undefined) throw unknownTask(registry, name)
  const found = exported(await imported(name, entry), entry.export)
  if (found !== undefined) {
    remember(registry, name, found)
    return found
  }
  throw new TaskMissingError(
    `The module of task '${name}' exports no task '${entry.export}'. Run \`ztask generate\` again.`,
    { task: name, export: entry.export },
  )
}

const remember = (registry: Registry, name: string, task: TaskFunction): void => {
  const known = RESOLVED.get(registry) ?? new Map<string, TaskFunction>()
  RESOLVED.set(registry, known.set(name, task))
}

/** Node's codes for a module that is not there, imported or required. */
const NOT_FOUND = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND']
/** In their messages: what is named is a package, and no file. */
const PACKAGE = /^Cannot find (package '|module '[^./])/

const imported = async (name: string, entry: RegistryEntry): Promise<unknown> => {
  try {
    return await entry.load()
  } catch (cause) {
    const { code, message } = (cause ?? {}) as NodeJS.ErrnoException
    if (!NOT_FOUND.includes(code ?? '')) throw cause
    // require's message goes on with its stack.
    const [reason = ''] = message.split('\n')
    const cure = PACKAGE.test(reason)
      ? 'Install the package.'
      : 'Put the file back, or run `ztask generate` again.'
    throw new TaskMissingError(
      `The module of task '${name}' cannot be loaded: ${reason}. ${cure}`,
      { task: name, export: entry.export },
      { cause },
    )
  }
}

const entryOf = ({ tasks }: Registry, name: string): RegistryEntry | undefined =>
  Object.hasOwn(tasks, name)
    ? tasks[name]
    : Object.values(tasks).find((entry) => entry.aliases?.includes(name))

const unknownTask = (registry: Registry, name: string): UnknownTaskError => {
  const similar = nearest(name, Object.keys(registry.tasks))
  const guess = similar === undefined ? '' : ` Did you mean '${similar}'?`
  return new UnknownTaskError(
    `The project '${registry.project}' has no task '${name}'.${guess} If it is new, run \`ztask generate\`; if it was renamed, give it aliases: ['${name}'].`,
    { task: name, project: registry.project, nearest: similar },
  )
}

/** A CommonJS module that is imported has its exports under `default`, and its default export under `default.default`. */
const exported = (module: unknown, key: string): TaskFunction | undefined => {
  const inner = member(module, 'default')
  const found = [member(module, key), member(inner, key)].find(isTask)
  return found as TaskFunction | undefined
}

const member = (holder: unknown, key: string): unknown =>
  (typeof holder === 'object' && holder !== null) || typeof holder === 'function'
    ? (holder as Record<string, unknown>)[key]
    : undefined
