/** How far a job is, as its task says. */
export interface Progress {
  /** 0 to 1. */
  readonly fraction: number
  /** In words, where the task has some. */
  readonly message: string | undefined
}

/** Characters of a message; longer ones are cut. */
const LONGEST = 1000

/** @throws RangeError where the fraction is no number from 0 to 1 */
export const progressOf = (fraction: unknown, message: unknown): Progress => {
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1))
    throw new RangeError(`progress(${String(fraction)}): it takes a number from 0 to 1.`)
  return { fraction, message: message === undefined ? undefined : String(message).slice(0, LONGEST) }
}
