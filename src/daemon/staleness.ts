/** Whether a compiled registry is older than what it was made from. Texts are compared: no user code is loaded here. */
import { readFile } from 'node:fs/promises'
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
