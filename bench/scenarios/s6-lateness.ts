import { argsOf } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { quantile } from '../statistics.ts'

const JOBS = 500
/** When they are due, s ahead of the call. */
const [SOONEST, LATEST] = [1, 3]

export const lateness: Scenario = {
  id: 'S6',
  title: 'delayed jobs: 500, due 1 to 3 s ahead of the call, by how much they begin late',
  measures: [
    { title: 'S6 p50', unit: 'ms', better: 'less', digits: 1 },
    { title: 'S6 p99', unit: 'ms', better: 'less', digits: 1, bar: { absolute: 5 } },
  ],
  run: ({ open, witness, small }) =>
    open({ held: false, tuning: 'latency' }, async (session) => {
      const jobs = small ? 20 : JOBS
      // The connection of each worker to the witness is made by the first jobs.
      await Promise.all(
        Array.from({ length: 40 }, (_, i) => {
          const began = witness.began(`first-${i}`)
          return session.call('stamp', argsOf(`first-${i}`)).then(() => began)
        }),
      )
      const late = Array.from({ length: jobs }, async (_, i) => {
        const seconds = (SOONEST + ((LATEST - SOONEST) * i) / jobs) / (small ? 10 : 1)
        const began = witness.began(`late-${i}`)
        const called = process.hrtime.bigint()
        await session.after(seconds, 'stamp', argsOf(`late-${i}`))
        return Number((await began) - called) / 1e6 - seconds * 1000
      })
      const times = await Promise.all(late)
      return [0.5, 0.99].map((q) => quantile(times, q))
    }),
}
