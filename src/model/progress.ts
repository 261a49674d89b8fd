/** How far a job is, as its task says. */
export interface Progress {
  /** 0 to 1. */
  readonly fraction: number
  /** In words, where the task has some. */
  readonly message: string | undefined
}

/** Characters of a message; longer ones are cut. */
const LONGEST = 1000

/**
 * A sum of parts may come to a little more than 1, and a part of nothing is no number: neither is worth a job.
 *
 * @throws TypeError where the fraction is of another type
 */
export const progressOf = (fraction: unknown, message: unknown): Progress => {
  if (typeof fraction !== 'number')
    throw new TypeError(`progress(${String(fraction)}): it takes a number from 0 to 1.`)
  return {
    fraction: Math.min(Math.max(fraction || 0, 0), 1),
    message: message === undefined ? undefined : String(message).slice(0, LONGEST),
  }
}
