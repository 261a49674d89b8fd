/**
 * The configuration as a module. Node loads one once for each address; a daemon reads its configuration again, with what that
 * imports of the project, so each reading has addresses of its own. A reading stays in memory, 3.5 kB a file: it is repeated
 * only where something has changed.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { createRequire, registerHooks } from 'node:module'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { changedAt } from './file-time.ts'
import { moduleFile } from './module-file.ts'

interface Reading {
  /** What the file exports; none where it could not be loaded, or is being. */
  loaded?: { readonly value: unknown }
  /** It may ask for any of it. */
  readonly env: NodeJS.ProcessEnv
  /** The configuration and what it imports, absolute, with the time of the last change before it was loaded. */
  readonly files: Map<string, number>
}

const { cache: required } = createRequire(import.meta.url)
/** The last of each project, by its folder. */
const readings = new Map<string, Reading>()
let count = 0

/** @returns the files that the configuration of a folder came from when it was last read, well or not; absolute */
export const configModules = (root: string): string[] => [...(readings.get(root)?.files.keys() ?? [])]

/** The configuration of a folder is read anew, whatever has changed: it may read what nobody knows of. */
export const forgetConfig = (root: string): void => {
  delete readings.get(root)?.loaded
}

/**
 * @returns the default export of a configuration file, as its files and the environment are now
 * @throws whatever it throws
 */
export const importConfig = async (file: string): Promise<unknown> => {
  const last = readings.get(dirname(file))
  if (last?.loaded !== undefined && isCurrent(last)) return last.loaded.value
  // What is required has no query: it is forgotten instead.
  for (const path of last?.files.keys() ?? []) delete required[path]
  const reading: Reading = { env: { ...process.env }, files: new Map() }
  readings.set(dirname(file), reading)
  const value = await load(realpathSync(file), reading)
  reading.loaded = { value }
  return value
}

const isCurrent = ({ env, files }: Reading): boolean =>
  isDeepStrictEqual(env, { ...process.env }) &&
  [...files].every(([file, changed]) => changedAt(file) === changed)

/**
 * TypeScript is stripped by Node itself, so that the master needs no compiler; and the file is read as an ES module
 * whatever the package's `type` says, as `npm init` writes `commonjs`.
 */
const load = async (file: string, { files }: Reading): Promise<unknown> => {
  const version = ++count
  const url = versioned(pathToFileURL(file).href, version)
  files.set(file, changedAt(file))
  const source = readFileSync(file, 'utf8')
  const format = formatOf(file, source)
  const urls = new Set([url])
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context)
      const path = moduleFile(found.url)
      if (path === undefined || !urls.has(context.parentURL ?? '')) return found
      files.set(path, changedAt(path))
      const isRequired = context.conditions.includes('require')
      const own = isRequired ? found.url : versioned(found.url, version)
      // A CommonJS module that was imported requires by its plain address.
      urls.add(own).add(found.url)
      return { ...found, url: own }
    },
    load: (target, context, next) =>
      target === url && format !== undefined ? { format, source, shortCircuit: true } : next(target, context),
  })
  try {
    const module: { default?: unknown } = await import(url)
    return module.default
  } finally {
    hooks.deregister()
  }
}

const versioned = (url: string, version: number): string => `${url}${url.includes('?') ? '&' : '?'}${version}`

/** @returns what to read the file as, or `undefined` where Node decides right by itself */
const formatOf = (file: string, source: string): 'module-typescript' | 'module' | undefined => {
  if (/\.m?ts$/.test(file)) return 'module-typescript'
  return /^\s*(export|import)\s/m.test(source) ? 'module' : undefined
}
