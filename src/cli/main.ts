/** The commands: one file each. Exit codes: 0 success, 1 a failure that is explained, 2 wrong usage. */
import { Command, CommanderError } from 'commander'
import { ConfigError, ZtaskError } from '../model/errors.ts'
import { masked } from '../model/masked.ts'
import { addCompletion } from './completion.ts'
import { addDaemon } from './daemon.ts'
import { withEnvFile } from './env-file.ts'
import { addGenerate } from './generate.ts'
import { addHelp } from './help.ts'
import { addInit } from './init.ts'
import { addJobCommands } from './jobs.ts'
import { addKeys } from './keys.ts'
import { addList } from './list.ts'
import { addMigrate } from './migrate.ts'
import { addReload } from './reload.ts'
import { addRun } from './run.ts'
import { addShow } from './show.ts'
import { addStatus } from './status.ts'
import { version } from './version.ts'

const PARTS = [
  addInit,
  addGenerate,
  addDaemon,
  addStatus,
  addList,
  addShow,
  addJobCommands,
  addReload,
  addRun,
  addMigrate,
  addKeys,
  addCompletion,
  addHelp,
]

const build = (): Command => {
  const program = new Command('ztask')
    .description('Background tasks for Node and TypeScript: typed calls, durable jobs, nothing to install')
    .version(version)
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .showHelpAfterError('(--help shows what there is)')
    // A flag that is misspelt is repeated with its value.
    .configureOutput({ outputError: (text, write) => write(masked(text)) })
    .exitOverride()
  for (const add of PARTS) add(program)
  // Commander passes its settings on only to commands that it makes itself.
  for (const command of program.commands) {
    command.copyInheritedSettings(program)
    withEnvFile(command)
  }
  return program
}

/** @returns the exit code that an error asks for; says what it is, on stderr */
const report = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof ZtaskError) process.stderr.write(`${error.message}\n`)
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return isFlag(error) ? 2 : 1
}

/** A setting that a flag sets is checked where all settings are; it is wrong usage all the same. */
const isFlag = (error: unknown): boolean =>
  error instanceof ConfigError && String(error.data.source).startsWith('--')

/** `ztask list | head -1`: whoever read has had enough, which is no failure. */
const endWithReader = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
}

/**
 * Runs a command line.
 *
 * @param argv the words behind `ztask`
 */
export const run = async (argv: readonly string[]): Promise<void> => {
  process.stdout.on('error', endWithReader)
  try {
    await build().parseAsync(argv, { from: 'user' })
  } catch (error) {
    process.exitCode = report(error)
  }
}
