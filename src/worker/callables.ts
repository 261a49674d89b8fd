/** `'file#export'` strings of the settings: found and called in the process that they are for. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigError } from '../model/errors.ts'

/**
 * Calls each in turn and waits for it.
 *
 * @param root what `./` is relative to: the project's folder
 * @throws ConfigError where the export is no function, and whatever the function throws
 */
export const callAll = async (callables: readonly string[], root: string): Promise<void> => {
  for (const callable of callables) {
    const at = callable.lastIndexOf('#')
    const module: Record<string, unknown> = await import(
      pathToFileURL(resolve(root, callable.slice(0, at))).href
    )
    const name = callable.slice(at + 1)
    const found = module[name] ?? (module.default as Record<string, unknown> | undefined)?.[name]
    if (typeof found !== 'function')
      throw new ConfigError(
        `'${callable}': the module exports no function '${name}'. Export it there, or correct the setting.`,
        { callable },
      )
    await found()
  }
}
