/** Whether the workers' registry is older than what it was made from. Texts are compared: no user code is loaded here. */
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generatedFiles, type Project } from '../config.ts'
import type { GenerateError } from '../model/errors.ts'
import type { FoundRegistry } from '../registry-file.ts'

/** As generate writes it; a minifier leaves the names and their order. */
const HASH = /\bhash:\s*(['"`])([0-9a-f]{12})\1,\s*tasks\b/

/** @returns whether a compiled registry was made of another version of its source. */
export const isOutOfDate = async ({ file, source }: FoundRegistry): Promise<boolean> => {
  if (source === undefined) return false
  const [now, loaded] = await Promise.all([hashIn(source), hashIn(file)])
  // One without a hash was not written by generate: nothing is known of its age.
  return now !== undefined && loaded !== undefined && now !== loaded
}

const hashIn = async (file: string): Promise<string | undefined> => {
  // A file that cannot be read is told by the workers, which load it.
  const text = await readFile(file, 'utf8').catch(() => '')
  return HASH.exec(text)?.[2]
}

/**
 * Compares the registry with the sources, where they are there: an image may have none.
 *
 * @param check `ztask generate --check`, which throws where the files are stale
 * @returns what is wrong and the cure
 */
export const sourcesFault = async (
  project: Project,
  check: () => Promise<unknown>,
): Promise<string | undefined> => {
  try {
    if (!(await hasSources(project))) return undefined
    // Its warnings were told when the registry was generated.
    await check()
    return undefined
  } catch (error) {
    return (error as GenerateError).message
  }
}

const SOURCE = /\.[cm]?[jt]sx?$/

const hasSources = async (project: Project): Promise<boolean> => {
  const { root, settings } = project
  const generated = generatedFiles(project)
  const exclude = (path: string): boolean => /(^|[\\/])node_modules$/.test(path)
  for await (const path of glob([...settings.include], { cwd: root, exclude })) {
    const file = join(root, path)
    // What generate wrote names ztask too.
    if (!SOURCE.test(path) || generated.includes(file)) continue
    if (/['"]ztask['"]/.test(await readFile(file, 'utf8').catch(() => ''))) return true
  }
  return false
}
