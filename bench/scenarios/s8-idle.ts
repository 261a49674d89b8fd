import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from '../processes.ts'
import type { Scenario } from '../scenario.ts'
import { callAndDrain } from './s4-end-to-end.ts'

const SAMPLE = 60
const HOUR = 3600
/** What starts and the first jobs leave behind is over by then, ms. */
const CALM = 3000

export const idle: Scenario = {
  id: 'S8',
  title: 'idle: CPU seconds an hour of the server or master and 2 workers, by one sample of 60 s',
  once: true,
  measures: [{ title: 'S8 idle', unit: 's/h', better: 'less', digits: 1, bar: { absolute: 5 } }],
  run: ({ open, small }) =>
    open({ held: false, tuning: 'idle' }, async (session) => {
      await callAndDrain(session, 100, 10)
      await sleep(small ? 100 : CALM)
      const { server, workers } = session.processes()
      const pids = [...server, ...workers]
      const before = cpuSeconds(pids)
      const seconds = small ? 1 : SAMPLE
      await sleep(seconds * 1000)
      return [((cpuSeconds(pids) - before) * HOUR) / seconds]
    }),
}
