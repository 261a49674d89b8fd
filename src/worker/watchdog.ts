/** Starts the thread that ends this process with its master, from a busy loop too, and that gives jobs back. */
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { LIFELINE_FD } from '../wire/ipc.ts'

/** What the thread sees of its worker. */
export interface Shared {
  /** Which of its jobs have begun, or were called back. */
  readonly claims: SharedArrayBuffer
  /** How many run: one 32-bit number. */
  readonly runs: SharedArrayBuffer
  /** When the lease of its daemon ends, as the thread has heard last: one double. */
  readonly end: SharedArrayBuffer
}

/** The thread keeps nothing alive. */
export const startWatchdog = (shared: Shared): void => {
  // 19 MB of resident memory, whatever resourceLimits say (8 to 64 MiB of heap were tried).
  const thread = new Worker(new URL('./lifeline.js', import.meta.url), {
    execArgv: [],
    env: {},
    workerData: shared,
  })
  thread.unref()
}

/** A run begins. Written before this returns, whatever the run does to this process. */
export const tellBegun = (run: number): void => {
  try {
    writeSync(LIFELINE_FD, `${run}\n`)
  } catch {
    // The pipe is full, for the master reads nothing: should this process die meanwhile, nobody is charged.
  }
}
