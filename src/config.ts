/** A project's settings: the file's values, the environment over them, the flags over both. The file is data. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
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

/**
 * Imports the configuration file. TypeScript is stripped by Node itself, so that the master needs no compiler; and the
 * file is read as an ES module whatever the package's `type` says, as `npm init` writes `commonjs`.
 */
const importConfig = async (file: string): Promise<unknown> => {
  // A module is loaded once for each address, and the file may be read again after a change.
  const url = `${pathToFileURL(realpathSync(file)).href}?${statSync(file).mtimeMs}`
  const source = readFileSync(file, 'utf8')
  const format = formatOf(file, source)
  const hooks = registerHooks({
    load: (target, context, next) =>
      target === url && format !== undefined ? { format, source, shortCircuit: true } : next(target, context),
  })
  try {
    const module: { default?: unknown } = await import(url)
    return module.default
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(
      `${file} cannot be loaded: ${reason}. It is read by Node itself: types are fine; enums, namespaces and path aliases are not.`,
      { file },
      { cause },
    )
  } finally {
    hooks.deregister()
  }
}

/** @returns what to read the file as, or `undefined` where Node decides right by itself */
const formatOf = (file: string, source: string): 'module-typescript' | 'module' | undefined => {
  if (/\.m?ts$/.test(file)) return 'module-typescript'
  return /^\s*(export|import)\s/m.test(source) ? 'module' : undefined
}

const packageName = (root: string): string | undefined => {
  try {
    const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name?: unknown }
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    // No package.json, or one that is no JSON: the project then has no name of its own.
    return undefined
  }
}

/** @returns the name in the nearest package.json from `start` upwards. */
export const nearestPackageName = (start: string): string | undefined => packageName(findRoot(start).root)

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
  const file =
    configFile === undefined
      ? {}
      : fromObject(await importConfig(configFile), configFile.slice(root.length + 1))
  refuseMisspelt(env)
  const given: Partial<Record<keyof Settings, unknown>> = { ...file, ...fromEnvironment(env) }
  for (const key of KEYS) if (flags[key] !== undefined) given[key] = checked(key, flags[key], `--${key}`)
  const settings = Object.fromEntries(KEYS.map((key) => [key, given[key] ?? defaultOf(key)])) as {
    -readonly [K in keyof Settings]: Settings[K]
  }
  settings.project ??= packageName(root) ?? 'ztask'
  settings.bind ??= settings.url
  return { root, configFile, settings }
}

/** @returns the files that generate writes, absolute. */
export const generatedFiles = ({ root, settings }: Project): string[] =>
  ['client.ts', 'registry.ts'].map((name) => resolve(root, settings.output, name))
