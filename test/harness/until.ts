/** Waiting in tests: for a fact, never for a time. */

/** A test that waits longer than this has failed, ms. */
const PATIENCE = 30_000
const PERIOD = 15

/**
 * Polls until `probe` returns something other than `undefined` or `false`.
 *
 * @param what is waited for; a function where it tells what there was at the end
 * @returns what it returned
 * @throws what the last probe threw, or an error that names `what`, after 30 s
 */
export const until = async <T>(
  what: string | (() => string),
  probe: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> => {
  const deadline = performance.now() + PATIENCE
  for (;;) {
    const value = await probe()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline)
      throw new Error(`waited 30 s in vain: ${typeof what === 'string' ? what : what()}`)
    await new Promise((resolve) => setTimeout(resolve, PERIOD))
  }
}
