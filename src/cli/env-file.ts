/** `--env-file`: variables from a file, on every command. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { type Command, Option } from 'commander'
import { ConfigError } from '../model/errors.ts'

/**
 * Adds the flag to a command; it is read before the command acts, so that the settings, the master and its workers
 * have the variables.
 */
export const withEnvFile = (command: Command): void => {
  const collect = (path: string, paths: readonly string[] = []): string[] => [...paths, path]
  command
    .option(
      '--env-file <path>',
      'variables from this file, where the environment has none; repeatable',
      collect,
    )
    // Node looks for its own flag of the other spelling in the whole command line, and refuses a missing file itself.
    .addOption(new Option('--envfile <path>').argParser(collect).hideHelp())
    .hook('preAction', () => {
      const { envFile = [], envfile = [] } = command.opts<{ envFile?: string[]; envfile?: string[] }>()
      // What is set already stays set: so the last file, which wins over those before it, comes first.
      for (const path of [...envFile, ...envfile].reverse()) load(path)
    })
}

const load = (path: string): void => {
  try {
    for (const [name, value] of Object.entries(parseEnv(readFileSync(path, 'utf8'))))
      process.env[name] ??= value
  } catch (cause) {
    const file = resolve(path)
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    const reason = missing
      ? 'is not there'
      : `cannot be read: ${cause instanceof Error ? cause.message : cause}`
    throw new ConfigError(
      `The file of variables ${file} ${reason}. Name one that can be read, or leave --env-file out.`,
      { file },
      { cause },
    )
  }
}
