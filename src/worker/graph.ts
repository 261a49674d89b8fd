/**
 * Which files the code of this process comes from: what is imported and required, whenever that happens, but for packages
 * and ztask itself. (nodejs.org/api/module.html#customization-hooks)
 */
import { registerHooks } from 'node:module'
import { moduleFile } from '../module-file.ts'

/**
 * @param told called soon after files were loaded, with those that have not been told, absolute, never twice with one; and
 *   with the time when the first of them was about to be
 */
export const traceFiles = (told: (files: readonly string[], since: number) => void): void => {
  const known = new Set<string>()
  let fresh: string[] = []
  let since = 0
  // What is resolved and not what is loaded: tsx reads required files by itself.
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context)
      const file = moduleFile(found.url)
      if (file !== undefined && !known.has(file)) {
        known.add(file)
        if (fresh.push(file) > 1) return found
        since = Date.now()
        // A module that computes as it is imported keeps it waiting.
        setImmediate(flush)
      }
      return found
    },
  })
  const flush = (): void => {
    told(fresh, since)
    fresh = []
  }
}
