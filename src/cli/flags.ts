/** The flags that several commands share, and what is read from a flag's text. */
import { type Command, InvalidArgumentError } from 'commander'
import { loadProject, type Project } from '../config.ts'

export interface ProjectFlags {
  readonly url?: string
  readonly database?: string
}

/** Adds `--url` and `--database`. */
export const withProjectFlags = (command: Command): Command =>
  command
    .option('--url <address>', 'where the daemon is (ZTASKD_URL)')
    .option('--database <database>', "where jobs are kept, 'sqlite:PATH' (ZTASKD_DATABASE)")

/** @throws ConfigError where a setting cannot be */
export const projectOf = ({ url, database }: ProjectFlags): Promise<Project> =>
  // The flag moves the daemon and its clients together; `bind` in the file is for a daemon behind another address.
  loadProject(process.cwd(), process.env, { url, database, ...(url !== undefined && { bind: url }) })

/** @returns what reads a whole number of a flag. */
export const wholeNumber =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    return value
  }

/** @returns seconds, fractions allowed. */
export const seconds = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1e6))
    throw new InvalidArgumentError('It must be a number of seconds, 0 or more.')
  return value
}
