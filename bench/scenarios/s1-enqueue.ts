import { callAll, rate } from '../load.ts'
import type { Scenario } from '../scenario.ts'

const IN_FLIGHT = 64

export const enqueue: Scenario = {
  id: 'S1',
  title: 'enqueue: 20,000 single awaited calls, 64 in flight, nothing runs',
  measures: [
    { title: 'S1 enqueue', unit: '/s', better: 'more', digits: 0, bar: { times: 1.4, reference: 26_000 } },
  ],
  run: ({ open, small }) =>
    open({ held: true, tuning: 'throughput' }, async (session) => {
      const jobs = small ? 300 : 20_000
      await callAll(session, jobs / 10, IN_FLIGHT)
      await session.settle()
      return [await rate(jobs, () => callAll(session, jobs, IN_FLIGHT))]
    }),
}
