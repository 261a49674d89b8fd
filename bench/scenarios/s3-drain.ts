import { done, NOOP_ARGS, rate } from '../load.ts'
import type { Scenario } from '../scenario.ts'

export const drain: Scenario = {
  id: 'S3',
  title: 'drain: 50,000 queued jobs, from the release of 2 ready workers until none is left in the database',
  measures: [
    { title: 'S3 drain', unit: '/s', better: 'more', digits: 0, bar: { times: 1.5, reference: 60_200 } },
  ],
  run: ({ open, small }) =>
    open({ held: true, tuning: 'throughput' }, async (session) => {
      const jobs = Array.from({ length: small ? 1000 : 50_000 }, () => NOOP_ARGS)
      await session.bulk(jobs)
      await session.settle()
      return [
        await rate(jobs.length, () => {
          session.release()
          return done(session)
        }),
      ]
    }),
}
