/** The flags that several commands share, and what is read from a flag's text. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { Reach } from '../client/process.ts'
import { loadProject, type Project } from '../config.ts'
import { ConfigError } from '../model/errors.ts'
import type { Settings } from '../settings.ts'

export interface ProjectFlags {
  readonly url?: string
  readonly database?: string
}

/** Adds `--url` and `--database`. */
export const withProjectFlags = (command: Command): Command =>
  command
    .option('--url <address>', 'where the daemon is (ZTASKD_URL)')
    .option('--database <database>', "where jobs are kept, 'sqlite:PATH' or 'postgres://…' (ZTASKD_DATABASE)")

/** @returns the settings that flags give: `url` moves the daemon and its clients together; `bind` in the file is for a daemon behind another address. */
export const settingsOf = ({
  url,
  database,
}: { [K in keyof ProjectFlags]: ProjectFlags[K] | undefined }): Partial<Record<keyof Settings, unknown>> => ({
  url,
  database,
  ...(url !== undefined && { bind: url }),
})

/**
 * @throws ConfigError where a setting cannot be, or where there is no project and nothing says that none is needed
 */
export const projectOf = async ({ url, database }: ProjectFlags): Promise<Project> => {
  const project = await loadProject(process.cwd(), process.env, settingsOf({ url, database }))
  if (url === undefined && database === undefined && !PLACED.some((name) => name in process.env))
    refuseNowhere(project)
  return project
}

/** @returns how a command's calls reach the project's daemon */
export const reachOf = ({ settings, root }: Project): Reach => ({
  ...settings,
  keys: settings.keys && resolve(root, settings.keys),
})

/** Whoever sets one of them has said which daemon or database is meant, and may be in any folder. */
const PLACED = ['ZTASKD_URL', 'ZTASKD_DATABASE', 'ZTASKD_PROJECT', 'ZTASKD_REGISTRY'] as const

/**
 * A folder outside of every project is a wrong one: a terminal that was opened elsewhere, say. The defaults would make a
 * database there, and blame a glob or a name that nobody has set.
 *
 * @throws ConfigError with the cure
 */
export const refuseNowhere = ({ root, configFile }: Project): void => {
  if (configFile !== undefined || ['package.json', 'src'].some((name) => existsSync(join(root, name)))) return
  throw new ConfigError(
    `There is no project in ${root}, nor above it: no ztask.config.ts and no package.json. Change to the folder of yours, or begin one here: npx ztask init.`,
    { file: root },
  )
}

/** @returns what reads a whole number of a flag. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    return value
  }

/** @returns seconds, fractions allowed, more than none. */
export const positiveSeconds = (text: string): number => {
  const value = seconds(text)
  if (value === 0) throw new InvalidArgumentError('It must be a number of seconds above 0.')
  return value
}

/** @returns seconds, fractions allowed. */
export const seconds = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1e6))
    throw new InvalidArgumentError('It must be a number of seconds, 0 or more.')
  return value
}
