import { callAll, NOOP_ARGS, rate } from '../load.ts'
import type { Scenario } from '../scenario.ts'

export const bulk: Scenario = {
  id: 'S2',
  title: 'bulk: 100,000 jobs by the bulk form, nothing runs',
  measures: [
    { title: 'S2 bulk', unit: '/s', better: 'more', digits: 0, bar: { times: 2, reference: 64_700 } },
  ],
  run: ({ open, contestant, small }) =>
    open({ held: true, tuning: 'throughput' }, async (session) => {
      const jobs = Array.from({ length: small ? 1000 : 100_000 }, () => NOOP_ARGS)
      await callAll(session, 100, 64)
      await session.bulk(jobs.slice(0, small ? 50 : contestant.warmUp))
      await session.settle()
      return [await rate(jobs.length, () => session.bulk(jobs))]
    }),
}
