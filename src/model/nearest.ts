import { distance } from 'fastest-levenshtein'

/** @returns the name most like `wanted`, letters compared without case, or `undefined` where more than a third of it differs. */
export const nearest = (wanted: string, names: Iterable<string>): string | undefined => {
  let best: string | undefined
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const name of names) {
    const d = distance(wanted.toLowerCase(), name.toLowerCase())
    if (d < least) [best, least] = [name, d]
  }
  return best
}
