/** Writes generated files, and only those that changed: a file that is written is a reload of everything that watches it. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { GenerateError } from '../src/model/errors.ts'
import { HEADER } from './layout.ts'

/** A file to be written. */
export interface Output {
  /** Absolute. */
  readonly path: string
  readonly text: string
}

/** @returns whether the file on disk differs; line ends do not count, as a checkout may turn them. */
export const isStale = ({ path, text }: Output): boolean => read(path)?.replaceAll('\r\n', '\n') !== text

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // What else is wrong with it, writing will tell.
    return undefined
  }
}

/**
 * @param name what the file is called in the diff
 * @returns the unified diff from the file on disk to what it should be
 */
export const diffOf = async ({ path, text }: Output, name: string): Promise<string> => {
  const { createTwoFilesPatch, FILE_HEADERS_ONLY } = await import('diff')
  const old = read(path)
  const from = old === undefined ? '/dev/null' : `a/${name}`
  return createTwoFilesPatch(from, `b/${name}`, old?.replaceAll('\r\n', '\n') ?? '', text, '', '', {
    headerOptions: FILE_HEADERS_ONLY,
  })
}

/**
 * Writes the file in one step: nobody reads half of it.
 *
 * @throws GenerateError where it cannot be written, or is somebody else's; the old one is then as it was
 */
export const write = ({ path, text }: Output): void => {
  refuseForeign(path)
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(temporary, text)
    renameSync(temporary, path)
  } catch (cause) {
    if (existsSync(temporary)) rmSync(temporary)
    const reason = (cause as Error).message
    throw new GenerateError(
      `${path} cannot be written: ${reason}. Mend that, or name another folder by \`output\`.`,
      { file: path },
      { cause },
    )
  }
}

/** Somewhere in the file, as a merge that failed may stand above it. */
const refuseForeign = (path: string): void => {
  const old = read(path) ?? ''
  if (old.trim() === '' || old.includes(HEADER)) return
  throw new GenerateError(
    `${path} was not written by ztask generate, which would overwrite it. Name another folder by \`output\`, or delete the file.`,
    { file: path },
  )
}
