import type { Session } from '../contestant.ts'
import { callAll, done, rate } from '../load.ts'
import type { Bar, Scenario } from '../scenario.ts'

const JOBS = 20_000

/** Runs what comes before a measurement. */
export const warmUp = async (session: Session, jobs: number, inFlight: number): Promise<void> => {
  await callAll(session, jobs, inFlight)
  await done(session)
  await session.settle()
}

/** Calls until the last is done. */
export const callAndDrain = async (session: Session, jobs: number, inFlight: number): Promise<void> => {
  await callAll(session, jobs, inFlight)
  await done(session)
}

const scenario = (id: string, inFlight: number, bar: Bar): Scenario => ({
  id,
  title: `end to end: 20,000 calls, ${inFlight.toLocaleString('en')} in flight, 2 workers, until the last is done`,
  measures: [{ title: `${id} end to end`, unit: '/s', better: 'more', digits: 0, bar }],
  run: ({ open, contestant, small }) =>
    open({ held: false, tuning: 'throughput' }, async (session) => {
      const jobs = small ? 300 : JOBS
      await warmUp(session, small ? 100 : contestant.warmUp, inFlight)
      return [await rate(jobs, () => callAndDrain(session, jobs, inFlight))]
    }),
})

export const endToEnd: Scenario = scenario('S4', 64, { times: 4, reference: 8600 })
export const endToEndWide: Scenario = scenario('S4b', 1000, { times: 5 })
