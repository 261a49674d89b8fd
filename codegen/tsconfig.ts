import { join } from 'node:path'
import { ts } from 'ts-morph'
import { ConfigError } from '../src/model/errors.ts'
import type { Disk } from './disk.ts'

/**
 * Reads the compiler options of the project's tsconfig.json; none where there is no such file.
 *
 * @throws ConfigError where the file is no JSON
 */
export const compilerOptions = (root: string, disk: Disk): ts.CompilerOptions => {
  const file = join(root, 'tsconfig.json')
  if (!disk.fileExists(file)) return {}
  const { config, error } = ts.readConfigFile(file, disk.readFile)
  if (error !== undefined) {
    const reason = ts.flattenDiagnosticMessageText(error.messageText, ' ')
    throw new ConfigError(`${file} cannot be read: ${reason} Correct the file.`, { file })
  }
  // Listing the files that a tsconfig includes costs more than all else that is read here, and nothing needs it.
  const host = { ...ts.sys, ...disk, readDirectory: () => [] }
  return ts.parseJsonConfigFileContent(config, host, root).options
}

/** @returns whether the project imports its modules by `.ts`, and so must the generated files. */
export const usesTsExtensions = (options: ts.CompilerOptions): boolean =>
  options.allowImportingTsExtensions === true || options.rewriteRelativeImportExtensions === true
