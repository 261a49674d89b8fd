/**
 * Finds what keeps a commit from being made: it is halved, and its halves where they fail, until what is bad stands alone.
 * Of n units k bad ones cost at most about 2·k·log2(n) commits.
 */
import { setImmediate } from 'node:timers/promises'

/** After so long the event loop turns, ms: where every unit is bad, halving takes two commits a unit. */
const SLICE = 10

/**
 * @param cause why all of them together could not be made durable, for what one of them is; absent where that was not tried
 * @param commit makes some of the units durable as one, or throws
 * @param isBad whether a commit failed for what one of its units is. After any other failure nothing more is tried: a
 *   locked database takes seconds to say so
 * @returns the units that are not durable, with the reason
 */
export const halve = async <Unit>(
  units: readonly Unit[],
  cause: Error | undefined,
  commit: (units: readonly Unit[]) => Promise<void>,
  isBad: (error: Error) => boolean,
): Promise<Map<Unit, Error>> => {
  const failed = new Map<Unit, Error>()
  let outage: Error | undefined
  let since = performance.now()

  /** @returns whether all of them are durable */
  const attempt = async (part: readonly Unit[]): Promise<boolean> => {
    try {
      if (outage !== undefined) throw outage
      await commit(part)
      return true
    } catch (thrown) {
      await blame(part, thrown as Error)
      return false
    }
  }

  const blame = async (part: readonly Unit[], error: Error): Promise<void> => {
    if (part.length > 1 && isBad(error)) return divide(part, error)
    if (!isBad(error)) outage = error
    for (const unit of part) failed.set(unit, error)
  }

  const divide = async (part: readonly Unit[], error: Error): Promise<void> => {
    if (performance.now() - since > SLICE) {
      await setImmediate()
      since = performance.now()
    }
    const middle = Math.ceil(part.length / 2)
    const rest = part.slice(middle)
    const isBeyond = await attempt(part.slice(0, middle))
    // What is bad is then in the rest, which need not be tried as a whole; a lone one is, to have its own reason.
    if (isBeyond && rest.length > 1) await divide(rest, error)
    else await attempt(rest)
  }

  if (cause === undefined) await attempt(units)
  else await blame(units, cause)
  return failed
}
