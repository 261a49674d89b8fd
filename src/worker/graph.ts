/**
 * Which files the code of this process comes from: what is imported and required, whenever that happens, but for packages
 * and ztask itself. (nodejs.org/api/module.html#customization-hooks)
 */
import { registerHooks } from 'node:module'
import { missingFiles, moduleFile } from '../module-file.ts'

/**
 * @param told called soon after files were loaded, with those that have not been told, absolute, never twice with one; and
 *   with the time when the first of them was about to be
 * @returns tells at once what has not been told
 */
export const traceFiles = (told: (files: readonly string[], since: number) => void): (() => void) => {
  const known = new Set<string>()
  let fresh: string[] = []
  let since = 0
  // What is resolved and not what is loaded: tsx reads required files by itself.
  registerHooks({
    resolve(specifier, context, next) {
      try {
        const found = next(specifier, context)
        note(moduleFile(found.url))
        return found
      } catch (error) {
        // One of them is to come: that mends it.
        for (const missing of missingFiles(error, context.parentURL)) note(missing)
        throw error
      }
    },
  })
  const note = (file: string | undefined): void => {
    if (file === undefined || known.has(file)) return
    known.add(file)
    if (fresh.push(file) > 1) return
    since = Date.now()
    // A module that computes as it is imported keeps it waiting.
    setImmediate(flush)
  }
  const flush = (): void => {
    if (fresh.length > 0) told(fresh, since)
    fresh = []
  }
  return flush
}
