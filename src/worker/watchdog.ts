/**
 * Ends this process with its master, from a busy loop too: a thread waits for the end of file on the lifeline, whose
 * other end only the master holds, and which the kernel closes however the master dies. The thread sleeps in the
 * kernel until then: it polls nothing.
 */
import { Worker } from 'node:worker_threads'
import { LIFELINE_FD } from '../wire/ipc.ts'

const WATCH = `
const lifeline = new (require('node:net').Socket)({ fd: ${LIFELINE_FD}, readable: true, writable: false })
const end = () => process.kill(process.pid, 'SIGKILL')
lifeline.on('error', end).on('close', end).resume()
`

/** Starts the watch; it keeps nothing alive. */
export const startWatchdog = (): void => {
  // 19 MB of resident memory, whatever resourceLimits say (8 to 64 MiB of heap were tried).
  const thread = new Worker(WATCH, { eval: true, execArgv: [], env: {} })
  thread.unref()
}
