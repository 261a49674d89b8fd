/** The settings: one list of them, with what each is checked by, its default and where else it may be set. */
import { inspect } from 'node:util'
import { ConfigError } from './model/errors.ts'
import { masked } from './model/masked.ts'
import { nearest } from './model/nearest.ts'

/** What a call does that could not be sent within `callTimeout`: reject, or run the task in the caller. */
export type OnUnavailable = 'throw' | 'inline'
/** What the daemon does with a call of a task it does not know. */
export type UnknownTask = 'refuse' | 'hold'

/** Every setting, complete and checked. Durations are seconds, sizes bytes. */
export interface Settings {
  /** Where clients connect and, unless `bind` says otherwise, where the daemon binds. */
  readonly url: string
  readonly bind: string
  /** The folder that `ztask keys` made, or for a client elsewhere its own file: only clients that are listed get in. */
  readonly keys: string | undefined
  /** `sqlite:PATH`, relative to the project's folder, or `postgres://…`. */
  readonly database: string
  /** On PostgreSQL, that of the tables: made where it is not there. */
  readonly schema: string
  /** Seconds without a word after which a daemon that shares a server counts as dead: the same for all of them. */
  readonly lease: number
  /** Clients say it with each message; a daemon of another project refuses them. */
  readonly project: string
  readonly alwaysEager: boolean
  readonly disabled: boolean
  /** Retries after the first run. */
  readonly retryCount: number
  /** Seconds between attempts. */
  readonly retryAfter: number
  /** `'file#export'`s that every worker runs before its first job. */
  readonly onLoad: readonly string[]
  /** `'file#export'`s that every worker runs before it ends. */
  readonly onExit: readonly string[]
  /** Seconds that a call may take. */
  readonly callTimeout: number
  readonly onUnavailable: OnUnavailable
  /** Bytes of the largest job. */
  readonly maxPayload: number
  /** Bytes of the arguments of the largest batch. */
  readonly maxBatch: number
  readonly unknownTask: UnknownTask
  /** Globs, relative to the project's folder, of the files that generate scans. */
  readonly include: readonly string[]
  /** The folder of client.ts and registry.ts. */
  readonly output: string
  /** A module that workers load first, in place of tsx. */
  readonly loader: string | undefined
  /** The registry module that workers load; the one in `output`, or what it was compiled to, where it is not set. */
  readonly registry: string | undefined
}

/** What `ztask.config.ts` may hold: any of the settings. */
export type UserConfig = { readonly [K in keyof Settings]?: Exclude<Settings[K], undefined> }

/**
 * Types the configuration file; returns what it is given.
 *
 * @example
 * // ztask.config.ts
 * export default defineConfig({ url: 'tcp://127.0.0.1:5600', retryCount: 3 })
 */
export const defineConfig = (config: UserConfig): UserConfig => config

type Check<T> = (value: unknown) => T | Wrong
/** What a value should have been, in words that follow "must be". */
class Wrong {
  readonly expected: string
  /** Which item of a list it is, where it is one. */
  readonly item: number | undefined
  constructor(expected: string, item?: number) {
    this.expected = expected
    this.item = item
  }
}

const text =
  (pattern: RegExp, expected: string): Check<string> =>
  (value) =>
    typeof value === 'string' && pattern.test(value) ? value : new Wrong(expected)

const number =
  (least: number, most: number, whole: boolean, expected: string): Check<number> =>
  (value) => {
    const found = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    const fits = typeof found === 'number' && found >= least && found <= most
    return fits && (!whole || Number.isInteger(found)) ? found : new Wrong(expected)
  }

const boolean: Check<boolean> = (value) => {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === '1') return true
  return value === 'false' || value === '0' || value === '' ? false : new Wrong('true or false')
}

const oneOf =
  <const T extends string>(...values: readonly T[]): Check<T> =>
  (value) =>
    values.includes(value as T) ? (value as T) : new Wrong(values.map((v) => `'${v}'`).join(' or '))

/** A list in the environment: a comma between, spaces around it as one likes. */
const splitList = (value: string): string[] =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

const listed = (value: unknown): readonly unknown[] =>
  typeof value === 'string' ? splitList(value) : (value as readonly unknown[])

const listOf =
  (item: Check<string>, expected: string): Check<readonly string[]> =>
  (value) => {
    const list = typeof value === 'string' ? splitList(value) : value
    if (!Array.isArray(list)) return new Wrong(expected)
    for (const [at, one] of list.entries()) {
      const found = item(one)
      if (found instanceof Wrong) return new Wrong(found.expected, at)
    }
    return list as string[]
  }

/** Of a larger one ZeroMQ takes what is left of it in 16 bits, and binds another port. */
const HIGHEST_PORT = 65_535

const address: Check<string> = (value) => {
  const found = typeof value === 'string' ? /^(ipc:\/\/.+|tcp:\/\/\S+:(\d+|\*))$/.exec(value) : null
  return found === null || Number(found[2]) > HIGHEST_PORT
    ? new Wrong("an address such as 'tcp://127.0.0.1:5555', its port up to 65535, or 'ipc:///run/ztask.sock'")
    : found[0]
}
const callables = listOf(
  text(/^[^#]+#[^#]+$/, "a 'file#export' string, such as './src/startup.ts#warmCache'"),
  "a list of 'file#export' strings, such as './src/startup.ts#warmCache'",
)
const seconds = number(0, 1e9, false, 'a number of seconds, 0 or more')

/** The one list of settings: what each is checked by, its default, and the environment variable that wins over the file. */
const SETTINGS: {
  readonly [K in keyof Settings]: { check: Check<Settings[K]>; default?: Settings[K]; env?: string }
} = {
  url: { check: address, default: 'tcp://127.0.0.1:5555', env: 'ZTASKD_URL' },
  bind: { check: address, env: 'ZTASKD_BIND' },
  keys: { check: text(/./, "a path, such as '.ztask/keys'"), env: 'ZTASKD_KEYS' },
  database: {
    check: text(
      /^(sqlite:.+|postgres(ql)?:\/\/.+)/,
      "'sqlite:PATH', such as 'sqlite:.ztask/ztask.db', or 'postgres://…'",
    ),
    default: 'sqlite:.ztask/ztask.db',
    env: 'ZTASKD_DATABASE',
  },
  schema: {
    check: text(/^[^\0]{1,63}$/, 'a name of 1 to 63 characters'),
    default: 'ztask',
    env: 'ZTASKD_SCHEMA',
  },
  lease: {
    check: number(1, 1e6, false, 'a number of seconds, 1 or more'),
    default: 15,
    env: 'ZTASKD_LEASE',
  },
  project: { check: text(/^.{1,200}$/, 'a name of 1 to 200 characters'), env: 'ZTASKD_PROJECT' },
  alwaysEager: { check: boolean, default: false, env: 'ZTASKD_ALWAYS_EAGER' },
  disabled: { check: boolean, default: false, env: 'ZTASKD_DISABLED' },
  retryCount: {
    check: number(0, 1e6, true, 'a whole number, 0 to 1,000,000'),
    default: 5,
    env: 'ZTASKD_RETRY_COUNT',
  },
  retryAfter: { check: seconds, default: 5, env: 'ZTASKD_RETRY_AFTER' },
  onLoad: { check: callables, default: [], env: 'ZTASKD_ON_LOAD' },
  onExit: { check: callables, default: [], env: 'ZTASKD_ON_EXIT' },
  callTimeout: {
    check: number(0.001, 1e6, false, 'a number of seconds, more than 0'),
    default: 5,
    env: 'ZTASKD_CALL_TIMEOUT',
  },
  onUnavailable: { check: oneOf('throw', 'inline'), default: 'throw', env: 'ZTASKD_ON_UNAVAILABLE' },
  maxPayload: {
    check: number(1, 2 ** 30, true, 'a whole number of bytes, 1 to 1 GiB'),
    default: 2 ** 20,
    env: 'ZTASKD_MAX_PAYLOAD',
  },
  maxBatch: {
    check: number(1, 2 ** 30, true, 'a whole number of bytes, 1 to 1 GiB'),
    default: 16 * 2 ** 20,
    env: 'ZTASKD_MAX_BATCH',
  },
  unknownTask: { check: oneOf('refuse', 'hold'), default: 'refuse' },
  include: {
    check: listOf(text(/./, "a glob, such as 'src/**/*'"), "a list of globs, such as ['src/**/*']"),
    default: ['src/**/*'],
  },
  output: { check: text(/./, 'a folder'), default: 'src/ztask' },
  loader: { check: text(/./, "a module specifier, such as '@swc-node/register'") },
  registry: { check: text(/./, 'a path'), env: 'ZTASKD_REGISTRY' },
}

/** The names of all settings. */
export const KEYS = Object.keys(SETTINGS) as (keyof Settings)[]

/** The settings that clients read from the environment of the application, by setting. */
export const CLIENT_SETTINGS = [
  'project',
  'url',
  'keys',
  'alwaysEager',
  'disabled',
  'callTimeout',
  'onUnavailable',
  'maxPayload',
  'maxBatch',
] as const satisfies readonly (keyof Settings)[]

/** The settings that concern a call. */
export type ClientSettings = Pick<Settings, (typeof CLIENT_SETTINGS)[number]>

/** @returns the default of a setting, `undefined` where it has none. */
export const defaultOf = <K extends keyof Settings>(key: K): Settings[K] | undefined => SETTINGS[key].default

/**
 * @param source where the value was set: a variable, a flag, or a file, whose keys are named before it
 * @throws ConfigError naming the source, the place in a list, and what the value must be
 */
export const checked = <K extends keyof Settings>(
  key: K,
  value: unknown,
  source: string,
  inFile = false,
): Settings[K] => {
  const result = (SETTINGS[key].check as Check<Settings[K]>)(value)
  if (!(result instanceof Wrong)) return result
  const { expected, item } = result
  const wrong = item === undefined ? value : listed(value)[item]
  const place = item === undefined ? '' : `[${item}]`
  const named = inFile ? `${key}${place} in ${source}` : `${source}${place}`
  // What is in an object is not shown: a password may stand there by itself.
  const depth = Array.isArray(wrong) ? 0 : -1
  const shown = masked(inspect(wrong, { depth, breakLength: Number.POSITIVE_INFINITY }))
  throw new ConfigError(`${named} is ${shown}: it must be ${expected}.`, { setting: key, source })
}

/** As `process.env` is. Not Node's own type: an application's types may lack it, and its compiler reads this file. */
type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the settings that the environment holds, of those asked for.
 *
 * @throws ConfigError where a variable's value cannot be, naming the variable.
 */
export const fromEnvironment = (
  env: Environment,
  keys: readonly (keyof Settings)[] = KEYS,
): Partial<Settings> => {
  const found: Partial<Record<keyof Settings, unknown>> = {}
  for (const key of keys) {
    const name = SETTINGS[key].env
    const value = name === undefined ? undefined : env[name]
    if (name !== undefined && value !== undefined) found[key] = checked(key, value, name)
  }
  return found as Partial<Settings>
}

/** What the variables of all settings begin with. */
const PREFIX = 'ZTASKD_'

/** The name of the package, which the prefix is easily taken for. */
const WITHOUT_D = 'ZTASK_'

/**
 * A variable that is nearly a setting's is a typing error, which would otherwise be silence. Others are not ours to judge:
 * Kubernetes, for one, sets ZTASKD_PORT where a service is called ztaskd, and ZTASK_PORT where it is called ztask.
 *
 * @throws ConfigError naming the variable and the cure
 */
export const refuseMisspelt = (env: Environment): void => {
  const known = KEYS.flatMap((key) => SETTINGS[key].env?.slice(PREFIX.length) ?? [])
  for (const name of Object.keys(env)) {
    if (name.startsWith(WITHOUT_D) && known.includes(name.slice(WITHOUT_D.length)))
      throw new ConfigError(`${name} is no setting. Did you mean ${PREFIX}${name.slice(WITHOUT_D.length)}?`, {
        source: name,
      })
    const rest = name.slice(PREFIX.length)
    if (!name.startsWith(PREFIX) || known.includes(rest)) continue
    const inFile = KEYS.find((key) => rest === key.replace(/[A-Z]/g, '_$&').toUpperCase())
    if (inFile !== undefined)
      throw new ConfigError(
        `${name} sets nothing: ${inFile} can be set in the configuration file only. Remove the variable.`,
        { setting: inFile, source: name },
      )
    const similar = nearest(rest, known)
    if (similar !== undefined)
      throw new ConfigError(`${name} is no setting. Did you mean ${PREFIX}${similar}?`, { source: name })
  }
}

/**
 * Reads the settings of a configuration file.
 *
 * @param source what to call the file in errors
 * @throws ConfigError where a key is none of the settings, or its value cannot be
 */
export const fromObject = (config: unknown, source: string): Partial<Settings> => {
  // An empty list would set nothing, and its items have no names.
  if (config === null || typeof config !== 'object' || Array.isArray(config))
    throw new ConfigError(`${source} must export its settings: export default defineConfig({ … }).`, {
      source,
    })
  const found: Partial<Record<keyof Settings, unknown>> = {}
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined) continue
    if (!KEYS.includes(key as keyof Settings)) {
      const similar = nearest(key, KEYS)
      const cure =
        similar === undefined ? `The settings are ${KEYS.join(', ')}.` : `Did you mean '${similar}'?`
      throw new ConfigError(`${source} has no setting '${key}'. ${cure}`, { setting: key, source })
    }
    found[key as keyof Settings] = checked(key as keyof Settings, value, source, true)
  }
  return found as Partial<Settings>
}
