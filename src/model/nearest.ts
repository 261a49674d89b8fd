import { distance } from 'fastest-levenshtein'

/** @returns the name most like `wanted`, case aside, or `undefined` where more than two letters and a third of it differ. */
export const nearest = (wanted: string, names: Iterable<string>): string | undefined => {
  let best: string | undefined
  let least = Math.min(wanted.length, Math.max(2, Math.floor(wanted.length / 3)) + 1)
  for (const name of names) {
    const d = distance(wanted.toLowerCase(), name.toLowerCase())
    if (d < least) [best, least] = [name, d]
  }
  return best
}
