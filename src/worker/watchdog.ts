/** Starts the thread that ends this process with its master, from a busy loop too, and that gives jobs back. */
import { Worker } from 'node:worker_threads'

/** @param memory of the claims on this worker's jobs; the thread keeps nothing alive */
export const startWatchdog = (memory: SharedArrayBuffer): void => {
  // 19 MB of resident memory, whatever resourceLimits say (8 to 64 MiB of heap were tried).
  const thread = new Worker(new URL('./lifeline.js', import.meta.url), {
    execArgv: [],
    env: {},
    workerData: memory,
  })
  thread.unref()
}
