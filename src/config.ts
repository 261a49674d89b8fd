/** A project's settings: the file's values, the environment over them, the flags over both. The file is data. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { importConfig } from './config-module.ts'
import { ConfigError } from './model/errors.ts'
import {
  checked,
  defaultOf,
  fromEnvironment,
  fromObject,
  KEYS,
  refuseMisspelt,
  type Settings,
} from './settings.ts'

/** A project: its folder, its configuration file where it has one, and its settings. */
export interface Project {
  readonly root: string
  readonly configFile: string | undefined
  readonly settings: Settings
}

/** What a configuration may be called; the first that is there counts. */
export const CONFIG_FILES = [
  'ztask.config.ts',
  'ztask.config.mts',
  'ztask.config.js',
  'ztask.config.mjs',
] as const

/** @returns the nearest folder, from `start` upwards, that holds a configuration file, else a package.json, else `start`. */
const findRoot = (start: string): { root: string; configFile: string | undefined } => {
  const upwards: string[] = []
  for (let dir = resolve(start); ; dir = dirname(dir)) {
    upwards.push(dir)
    if (dirname(dir) === dir) break
  }
  for (const dir of upwards)
    for (const name of CONFIG_FILES)
      if (existsSync(join(dir, name))) return { root: dir, configFile: join(dir, name) }
  const root = upwards.find((dir) => existsSync(join(dir, 'package.json'))) ?? resolve(start)
  return { root, configFile: undefined }
}

const readConfig = async (file: string): Promise<unknown> => {
  try {
    return await importConfig(file)
  } catch (cause) {
    throw new ConfigError(`${file} cannot be loaded: ${reasonOf(cause, file)}`, { file }, { cause })
  }
}

/** @returns what Node says against a configuration, where, and the cure */
const reasonOf = (cause: unknown, file: string): string => {
  const {
    message,
    stack = '',
    code,
  }: { message: string; stack?: string; code?: unknown } = cause instanceof Error
    ? cause
    : { message: String(cause) }
  const [said = ''] = message.split('\n')
  const place = code === 'ERR_MODULE_NOT_FOUND' ? '' : placeIn(stack, dirname(realpathSync(file)))
  return `${said.replace(/\.+$/, '')}${place}. ${cureOf(message, code, cause instanceof SyntaxError)}`
}

const cureOf = (message: string, code: unknown, syntax: boolean): string => {
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return 'It is read by Node itself: types are fine; enums, namespaces and path aliases are not.'
  if (message.startsWith('Cannot find package'))
    return 'Install the package, or correct its name; path aliases are unknown to Node, which reads the file itself.'
  if (message.startsWith('Cannot find module'))
    return "Node reads the file itself: name a file that is there, with its ending, such as './urls.ts'."
  if (/^(module|exports|require|__\w+) is not defined/.test(message))
    return "It is read as an ES module: write import … from '…', and export default defineConfig({ … })."
  if (message.includes('does not provide an export')) return 'Correct the import.'
  return syntax ? 'Correct the syntax.' : 'Correct what throws there.'
}

/** @returns the first line of a stack that is the project's own, as ` (ztask.config.ts:3)` */
const placeIn = (stack: string, root: string): string => {
  for (const [, url, path = '', line] of stack.matchAll(/(file:\/\/)?(\/[^\s:?()]+)(?:\?[\d.]+)?:(\d+)/g)) {
    const file = url === undefined ? path : fileURLToPath(`${url}${path}`)
    if (file.startsWith(`${root}${sep}`) && !file.includes(`${sep}node_modules${sep}`))
      return ` (${relative(root, file)}:${line})`
  }
  return ''
}

/**
 * @returns the name in a folder's package.json, where there is one
 * @throws ConfigError where it is no JSON: Node and npm would refuse it too, in other words
 */
const packageName = (root: string): string | undefined => {
  const file = join(root, 'package.json')
  if (!existsSync(file)) return undefined
  try {
    const found: unknown = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''))
    const { name } = Object(found) as { name?: unknown }
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(
      `${file} cannot be read: ${reason.replaceAll('\n', '\\n')}. Correct the file.`,
      { file },
      { cause },
    )
  }
}

/** @returns the name in the nearest package.json from `start` upwards. */
export const nearestPackageName = (start: string): string | undefined => {
  try {
    return packageName(findRoot(start).root)
  } catch {
    // An application that runs has other troubles than the name that its calls carry.
    return undefined
  }
}

/**
 * Loads the project that `start` lies in.
 *
 * @param start a folder; the configuration file is looked for there and upwards
 * @param env the environment, which wins over the file
 * @param flags settings from the command line, which win over both
 * @throws ConfigError where a setting cannot be, naming it and where it was set
 */
export const loadProject = async (
  start: string,
  env: NodeJS.ProcessEnv,
  flags: Partial<Record<keyof Settings, unknown>> = {},
): Promise<Project> => {
  const { root, configFile } = findRoot(start)
  // Before the configuration: Node looks into package.json to load that, and says less.
  const name = packageName(root)
  const file =
    configFile === undefined
      ? {}
      : fromObject(await readConfig(configFile), configFile.slice(root.length + 1))
  refuseMisspelt(env)
  const given: Partial<Record<keyof Settings, unknown>> = { ...file, ...fromEnvironment(env) }
  for (const key of KEYS) if (flags[key] !== undefined) given[key] = checked(key, flags[key], `--${key}`)
  const settings = Object.fromEntries(KEYS.map((key) => [key, given[key] ?? defaultOf(key)])) as {
    -readonly [K in keyof Settings]: Settings[K]
  }
  settings.project ??= name ?? 'ztask'
  settings.bind ??= settings.url
  return { root, configFile, settings }
}

/** @returns the files that generate writes, absolute. */
export const generatedFiles = ({ root, settings }: Project): string[] =>
  ['client.ts', 'registry.ts'].map((name) => resolve(root, settings.output, name))
