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
      new EnvFiles(command.opts<EnvFileFlags>(), process.env).apply()
    })
}

/** What the flag gives to a command's options. */
export interface EnvFileFlags {
  readonly envFile?: readonly string[]
  readonly envfile?: readonly string[]
}

/** The files of a command line; they may be read again when they have changed. */
export class EnvFiles {
  /** Absolute. */
  readonly paths: readonly string[]
  readonly #env: NodeJS.ProcessEnv

  /** @param env what their variables are set in, where it has none */
  constructor({ envFile = [], envfile = [] }: EnvFileFlags, env: NodeJS.ProcessEnv) {
    this.paths = [...envFile, ...envfile].map((path) => resolve(path))
    this.#env = env
  }

  /** @throws ConfigError where one cannot be read; nothing is then changed */
  apply(before: NodeJS.Dict<string> = {}): void {
    const now = this.read()
    for (const [name, value] of Object.entries(before)) if (this.#env[name] === value) delete this.#env[name]
    for (const [name, value] of Object.entries(now)) this.#env[name] ??= value
  }

  /** @returns their variables; the last file wins over those before it */
  read(): NodeJS.Dict<string> {
    return Object.assign({}, ...this.paths.map(variablesIn))
  }
}

const variablesIn = (file: string): NodeJS.Dict<string> => {
  try {
    return parseEnv(readFileSync(file, 'utf8'))
  } catch (cause) {
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
