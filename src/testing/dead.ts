/**
 * Jobs that were cut by the death of their process, as the test asked. Nothing interrupts JavaScript: their code goes on, and
 * nothing must come of it. Of all kits of this process, as it may go on while the next test runs.
 */
import type { CurrentJob } from '../model/current-job.ts'
import { callingJob } from '../worker/current.ts'

const DEAD = new WeakSet<CurrentJob>()

/** The job's process has died. */
export const bury = (job: CurrentJob): void => {
  DEAD.add(job)
}

const isDead = (): boolean => {
  const job = callingJob()
  return job !== undefined && DEAD.has(job)
}

const never = (): Promise<never> => new Promise(() => {})

/** @returns what a call comes to; it never settles where the process of the calling code is dead, or dies meanwhile */
export const whileAlive = async <T>(call: () => Promise<T>): Promise<T> => {
  if (isDead()) return never()
  try {
    return await call()
  } finally {
    if (isDead()) await never()
  }
}
