/**
 * A thread of a worker's, on the lifeline: its end of file, which the kernel sends however the master dies, ends the
 * process, as does the end of its daemon's lease; a line on it calls jobs back. It sleeps in the kernel until then: it polls nothing
 * but after that end, while its worker runs nothing.
 */
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { workerData } from 'node:worker_threads'
import { hostMonotonic } from '../clock.ts'
import { LIFELINE_FD } from '../wire/ipc.ts'
import { Claims } from './claims.ts'
import type { Shared } from './watchdog.ts'

const shared = workerData as Shared
const claims = new Claims(shared.claims)
const runs = new Int32Array(shared.runs)
const ends = new Float64Array(shared.end)
/** How often it looks again whether something runs, where the lease has ended, ms. */
const AGAIN = 50
const lifeline = new Socket({ fd: LIFELINE_FD })
const end = (): void => {
  process.kill(process.pid, 'SIGKILL')
}
lifeline.on('error', end).on('end', end).on('close', end)
let dying: NodeJS.Timeout | undefined
/** Whatever the event loop of the worker does, and its master. While nothing runs there is nothing to end. */
const look = (): void => {
  if (Atomics.load(runs, 0) > 0) end()
  dying = setTimeout(look, AGAIN)
}
const live = (until: number): void => {
  clearTimeout(dying)
  ends[0] = until
  dying = setTimeout(look, until - hostMonotonic())
}
const lines = createInterface({ input: lifeline })
lines.on('error', end).on('line', (line) => {
  const said = JSON.parse(line) as number | number[]
  if (typeof said === 'number') return live(said)
  lifeline.write(`${JSON.stringify(said.filter((place) => claims.claim(place)))}\n`)
})
