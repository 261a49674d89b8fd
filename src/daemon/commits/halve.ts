/**
 * Finds what keeps a commit from being made: it is halved, and its halves where they fail, until what is bad stands alone.
 * Of n units k bad ones cost about 2·k·log2(n) commits.
 *
 * @param commit makes some of the units durable as one, or throws
 * @param isBad whether a commit failed for what one of its units is; for any other reason all of its units fail
 * @returns the units that are not durable, with the reason
 */
export const halve = async <Unit>(
  units: readonly Unit[],
  commit: (units: readonly Unit[]) => Promise<void>,
  isBad: (error: Error) => boolean,
): Promise<Map<Unit, Error>> => {
  const failed = new Map<Unit, Error>()
  const attempt = async (part: readonly Unit[]): Promise<void> => {
    try {
      await commit(part)
    } catch (thrown) {
      const error = thrown as Error
      if (part.length > 1 && isBad(error)) {
        const middle = Math.ceil(part.length / 2)
        await attempt(part.slice(0, middle))
        await attempt(part.slice(middle))
      } else for (const unit of part) failed.set(unit, error)
    }
  }
  await attempt(units)
  return failed
}
