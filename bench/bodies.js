/**
 * What the tasks of every contestant do. Plain JavaScript, so that no worker carries a compiler; imported by the workers
 * of the peers, copied into the project of ztask.
 */
import { connect } from 'node:net'

let witness

/** A connection to the measuring process, made once. That process may end first, which is no error of a worker's. */
const reach = (path) =>
  connect(path)
    .on('error', () => {})
    .unref()

/** Does nothing. */
export const noop = async () => {}

/** Says when its first line ran, by the monotonic clock that all processes of a machine share. */
export const stamp = async (id) => {
  const now = process.hrtime.bigint()
  witness ??= reach(process.env.BENCH_WITNESS)
  witness.write(`${id} ${now}\n`)
}

/** Lasts until the measuring process opens the gate. */
export const gate = () =>
  new Promise((opened) => {
    connect(process.env.BENCH_GATE)
      .on('error', () => {})
      .on('close', opened)
      .resume()
  })
