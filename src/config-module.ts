/**
 * The configuration as a module. Node loads a module once for each address, and what that requires or imports, too: a process
 * reads a configuration once, and who wants it as it is later asks another one (config-anew.ts).
 */
import { readFileSync, realpathSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { pathToFileURL } from 'node:url'
import { changedAt } from './file-time.ts'
import { missingFiles, moduleFile } from './module-file.ts'

/** The project's own files that configurations of this process came from, or would have, absolute. */
const files = new Set<string>()

/** @returns the files that the configurations came from that this process has read, well or not; absolute */
export const configModules = (): string[] => [...files]

/**
 * TypeScript is stripped by Node itself, so that the master needs no compiler; and the file is read as an ES module
 * whatever the package's `type` says, as `npm init` writes `commonjs`.
 *
 * @returns the default export of a configuration file
 * @throws whatever it throws
 */
export const importConfig = async (path: string): Promise<unknown> => {
  const file = realpathSync(path)
  files.add(file)
  const url = `${pathToFileURL(file).href}?${changedAt(file)}`
  const source = readFileSync(file, 'utf8')
  const format = formatOf(file, source)
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      try {
        const found = next(specifier, context)
        note(moduleFile(found.url))
        return found
      } catch (error) {
        for (const missing of missingFiles(error, context.parentURL)) note(missing)
        throw error
      }
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

const note = (file: string | undefined): void => {
  if (file !== undefined) files.add(file)
}

/** @returns what to read the file as, or `undefined` where Node decides right by itself */
const formatOf = (file: string, source: string): 'module-typescript' | 'module' | undefined => {
  if (/\.m?ts$/.test(file)) return 'module-typescript'
  return /^\s*(export|import)\s/m.test(source) ? 'module' : undefined
}
