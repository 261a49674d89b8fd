import { expect, onTestFinished, test, vi } from 'vitest'
import { Stops } from '../../src/daemon/stops.ts'
import type { Run, StopReason, Worker } from '../../src/model/run.ts'
import { jobOf } from '../harness/jobs.ts'

const worker: Worker = { number: 1, pid: 1, generation: 1, loaded: 0, isolated: false }
const run: Run = { number: 7, job: jobOf(1), worker, place: 1, started: 0 }

test('a run whose daemon went on before its lease had ended can still be cancelled, and take too long', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const aborted: StopReason[] = []
  const killed: StopReason[] = []
  const stops = new Stops({
    grace: 100,
    abort: (_, reason) => aborted.push(reason),
    relieve: () => {},
    runsOn: () => [run],
    ask: () => {},
    retire: () => {},
    kill: (_, __, reason) => killed.push(reason),
  })
  stops.limit(run, 1000)
  stops.stop(run, 'fenced')
  stops.stop(run, 'fenced')
  expect(aborted).toEqual(['fenced'])
  vi.advanceTimersByTime(1000)
  expect(aborted).toEqual(['fenced', 'timeout'])
  vi.advanceTimersByTime(100)
  expect(killed).toEqual(['timeout'])
  expect(stops.ended(run)).toMatchObject({ reason: 'timeout', condemned: true })
})
