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
      const variables = new EnvFiles(command.opts<EnvFileFlags>(), process.env)
      variables.apply()
      command.setOptionValue('variables', variables)
    })
}

/** What the flag gives to a command's options. */
export interface EnvFileFlags {
  readonly envFile?: readonly string[]
  readonly envfile?: readonly string[]
  /** What has been read of them. */
  readonly variables: EnvFiles
}

/** The files of a command line; they may be read again when they have changed. */
export class EnvFiles {
  /** Absolute. */
  readonly paths: readonly string[]
  readonly #env: NodeJS.ProcessEnv
  /** What they have set: what the environment had is its own, whatever they say. */
  readonly #set = new Set<string>()

  /** @param env what their variables are set in, where it has none */
  constructor({ envFile = [], envfile = [] }: Omit<EnvFileFlags, 'variables'>, env: NodeJS.ProcessEnv) {
    this.paths = [...envFile, ...envfile].map((path) => resolve(path))
    this.#env = env
  }

  /**
   * Sets their variables as they are now; the last file wins over those before it.
   *
   * @throws ConfigError where one cannot be read; nothing is then changed
   */
  apply(): void {
    const now: NodeJS.Dict<string> = Object.assign({}, ...this.paths.map(variablesIn))
    for (const name of this.#set) delete this.#env[name]
    this.#set.clear()
    for (const [name, value] of Object.entries(now)) {
      if (this.#env[name] !== undefined) continue
      this.#env[name] = value
      this.#set.add(name)
    }
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
