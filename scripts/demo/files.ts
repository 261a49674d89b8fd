/** What the tasks left in the copy's var/: the only witness of what ran. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** @returns the lines of a file in var/, each as its columns */
export const rowsOf = (dir: string, name: string): string[][] => {
  const file = join(dir, 'var', name)
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => line.split('\t'))
}

/** @returns how often a mail went to each address */
export const delivered = (dir: string): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const [to = ''] of rowsOf(dir, 'outbox.txt')) counts.set(to, (counts.get(to) ?? 0) + 1)
  return counts
}
