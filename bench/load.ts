/** Calls as an application makes them: so many in all, so many of them in flight. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Args, Session } from './contestant.ts'

/** The payload of every contestant, about 100 bytes as JSON. */
export const argsOf = (id: string): Args => [
  id,
  'Welcome!',
  { userId: 12345, vars: { name: 'Ann', plan: 'pro' } },
]

export const NOOP_ARGS = argsOf('a@b.c')

/** Makes `count` calls, `inFlight` at a time; resolves when the last is acknowledged. */
export const callAll = async (session: Session, count: number, inFlight: number): Promise<void> => {
  let made = 0
  const caller = async (): Promise<void> => {
    while (made < count) {
      made++
      await session.call('noop', NOOP_ARGS)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
}

/** Longer than the slowest contestant takes for the longest scenario. */
const PATIENCE = 300_000
/** An answer takes this many times as long to come again: the question is a tenth of the load at most. */
const RARELY = 10
/** What the wait between two looks is at least and at most, ms. */
const [SHORTEST, LONGEST] = [2, 25]

/** Waits until no job is left in the database. */
export const done = async (session: Session): Promise<void> => {
  for (const end = performance.now() + PATIENCE; performance.now() < end; ) {
    const asked = performance.now()
    if (await session.isDone()) return
    const took = performance.now() - asked
    await sleep(Math.min(LONGEST, Math.max(SHORTEST, took * RARELY)))
  }
  throw new Error(`Jobs are left after ${PATIENCE / 1000} s.`)
}

/** @returns how many a second, where `work` did `count` */
export const rate = async (count: number, work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return (count / (performance.now() - start)) * 1000
}

/** Two at a time: one is made up while another is stored. */
const BATCHES_IN_FLIGHT = 2

/** Sends jobs by the bulk form, so many a call. */
export const inBatches = async <T>(
  jobs: readonly T[],
  size: number,
  send: (batch: readonly T[]) => Promise<unknown>,
): Promise<void> => {
  let at = 0
  const sender = async (): Promise<void> => {
    while (at < jobs.length) {
      const batch = jobs.slice(at, at + size)
      at += size
      await send(batch)
    }
  }
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, sender))
}
