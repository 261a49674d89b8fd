import type { Session } from '../contestant.ts'
import { argsOf } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { quantile } from '../statistics.ts'
import type { Witness } from '../witness.ts'

const JOBS = 5000
const WARM_UP = 300
/** A contestant that polls would take twenty minutes; what it shows in this time, ms, is as telling. */
const LONGEST = 30_000

/** @returns from the call to the first line of the task, ms */
const once = async (session: Session, witness: Witness, id: string): Promise<number> => {
  const began = witness.began(id)
  const called = process.hrtime.bigint()
  await session.call('stamp', argsOf(id))
  return Number((await began) - called) / 1e6
}

export const latency: Scenario = {
  id: 'S5',
  title: 'idle latency: one job at a time, call → first line of the task; 5,000, or as many as 30 s take',
  measures: [
    { title: 'S5 p50', unit: 'ms', better: 'less', digits: 2, bar: { times: 1, reference: 1.19 } },
    { title: 'S5 p95', unit: 'ms', better: 'less', digits: 2 },
    { title: 'S5 p99', unit: 'ms', better: 'less', digits: 2, bar: { times: 1, reference: 2.6 } },
  ],
  run: ({ open, witness, small }) =>
    open({ held: false, tuning: 'latency' }, async (session) => {
      const [jobs, before] = small ? [50, 10] : [JOBS, WARM_UP]
      const times: number[] = []
      const end = performance.now() + LONGEST
      for (let i = 0; i < before + jobs && performance.now() < end; i++)
        times.push(await once(session, witness, `idle-${i}`))
      const measured = times.slice(Math.min(before, times.length / 10))
      return [0.5, 0.95, 0.99].map((q) => quantile(measured, q))
    }),
}
