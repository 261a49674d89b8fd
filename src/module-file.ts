/** Which modules are the project's own code: what else a process loads is not edited while it runs. */
import { extname, isAbsolute } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where this file is part of what npm installed, it is below node_modules; linked or built here, it is not. */
const OWN = new URL('..', import.meta.url).href

/** @returns the file behind a module's address; none where it is a package's, ztask's or Node's */
export const moduleFile = (url: string): string | undefined => {
  if (!url.startsWith('file:') || url.startsWith(OWN)) return undefined
  // tsx adds a query, and a configuration that is read again has one.
  const file = fileURLToPath(url.replace(/[?#].*$/, ''))
  return /[\\/]node_modules[\\/]/.test(file) ? undefined : file
}

/** In place of the ending that an import names, and where it names none. */
const ENDINGS: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
  '': ['.ts', '.tsx', '.js', '.jsx', '.json', '/index.ts', '/index.js'],
}

/**
 * @param from the address of the module that imports it
 * @returns the files of which one would have to be there for an import that failed, absolute; none where it failed otherwise
 */
export const missingFiles = (error: unknown, from: string | undefined): string[] => {
  const { code, message = '' } = (error ?? {}) as NodeJS.ErrnoException
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return []
  const [, named = ''] = /^Cannot find module '([^']+)'/.exec(message) ?? []
  const isPath = isAbsolute(named) || /^(file:|\.\.?\/)/.test(named)
  const file = isPath && from !== undefined ? moduleFile(new URL(named, from).href) : undefined
  if (file === undefined) return []
  const ending = extname(file)
  const stem = ending in ENDINGS ? file.slice(0, file.length - ending.length) : file
  return [file, ...(ENDINGS[ending] ?? []).map((other) => stem + other)]
}
