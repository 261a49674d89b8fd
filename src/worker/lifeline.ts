/**
 * A thread of a worker's, on the lifeline: its end of file, which the kernel sends however the master dies, ends the
 * process; a line on it calls jobs back. It sleeps in the kernel until then: it polls nothing.
 */
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { workerData } from 'node:worker_threads'
import { LIFELINE_FD } from '../wire/ipc.ts'
import { Claims } from './claims.ts'

const claims = new Claims(workerData as SharedArrayBuffer)
const lifeline = new Socket({ fd: LIFELINE_FD })
const end = (): void => {
  process.kill(process.pid, 'SIGKILL')
}
lifeline.on('error', end).on('end', end).on('close', end)
const lines = createInterface({ input: lifeline })
lines.on('error', end).on('line', (line) => {
  const places = JSON.parse(line) as number[]
  lifeline.write(`${JSON.stringify(places.filter((place) => claims.claim(place)))}\n`)
})
