import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../contestant.ts'
import { pss, rss } from '../processes.ts'
import type { Scenario } from '../scenario.ts'
import { callAndDrain, warmUp } from './s4-end-to-end.ts'

const JOBS = 20_000
const IN_FLIGHT = 64
/** Between two looks, ms. */
const EVERY = 100

/** A server of many processes shares its buffers among them: each page counts once there. */
const memory = (session: Session): number => {
  const { server, workers } = session.processes()
  return rss(workers) + (server.length > 1 ? pss(server) : rss(server))
}

export const memoryUse: Scenario = {
  id: 'S7',
  title: 'memory of the server or master and 2 workers, without the client: idle, and the peak of an S4',
  measures: [
    { title: 'S7 idle', unit: 'MiB', better: 'less', digits: 0 },
    { title: 'S7 peak', unit: 'MiB', better: 'less', digits: 0, bar: { absolute: 245 } },
  ],
  run: ({ open, contestant, small }) =>
    open({ held: false, tuning: 'throughput' }, async (session) => {
      await sleep(small ? 100 : 2000)
      const idle = memory(session)
      let peak = idle
      const looks = setInterval(() => {
        peak = Math.max(peak, memory(session))
      }, EVERY)
      await warmUp(session, small ? 100 : contestant.warmUp, IN_FLIGHT)
      await callAndDrain(session, small ? 300 : JOBS, IN_FLIGHT)
      clearInterval(looks)
      return [idle, Math.max(peak, memory(session))]
    }),
}
