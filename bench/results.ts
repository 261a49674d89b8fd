/**
 * What results cost, beside the bars: from `run` to the result with nothing else to do; ten thousand at once; and calls while
 * records that have expired are removed, in turn with calls while there are none.
 *
 * Run: npm run bench:results
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { close } from '../dist/src/index.js'
import { Rig } from './rig.ts'
import { median, quantile } from './statistics.ts'

const RUNS = 500
const AT_ONCE = 10_000
const EXPIRED = 100_000
const CALLS = 40_000
const IN_FLIGHT = 64
const ROUNDS = 5

const top = mkdtempSync(join(tmpdir(), 'ztask-bench-'))

const latency = async (): Promise<void> => {
  const rig = await Rig.make(top)
  await rig.start()
  const { noop } = rig.calls()
  for (let i = 0; i < 200; i++) await noop.run()
  const took: number[] = []
  for (let i = 0; i < RUNS; i++) {
    await sleep(3)
    const begun = performance.now()
    await noop.run()
    took.push(performance.now() - begun)
  }
  const ms = (q: number): string => quantile(took, q).toFixed(2)
  console.log(`run to result, idle: p50 ${ms(0.5)} ms, p99 ${ms(0.99)} ms; asked: p50 below 1.5 ms`)
  const begun = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, () => noop.run()))
  const seconds = (performance.now() - begun) / 1000
  console.log(`${AT_ONCE} results at once: ${seconds.toFixed(2)} s, ${(AT_ONCE / seconds).toFixed(0)}/s`)
  await rig.end()
  close()
}

/** @returns calls a second, with so many records to be removed meanwhile */
const callsBeside = async (expired: number): Promise<number> => {
  const rig = await Rig.make(top)
  const db = rig.database()
  const insert = db.prepare(
    "insert into jobs (id, task, args, state, due, created, attempts, result, expires) values (?, 'noop', '[]', 'done', 0, 0, 0, '[1]', 1)",
  )
  db.exec('begin')
  for (let i = 0; i < expired; i++) insert.run(`expired ${i}`)
  db.exec('commit')
  await rig.start()
  const call = rig.caller()
  const begun = performance.now()
  await call(CALLS, IN_FLIGHT)
  const rate = (CALLS / (performance.now() - begun)) * 1000
  const left = db.prepare("select count(*) as left from jobs where state = 'done'").get()?.left
  if (expired > 0 && left === expired) throw new Error('Nothing was removed meanwhile.')
  db.close()
  await rig.end()
  close()
  return rate
}

try {
  await latency()
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const [beside, alone] = [await callsBeside(EXPIRED), await callsBeside(0)]
    ratios.push(beside / alone)
  }
  console.log(
    `calls while ${EXPIRED} expired records are removed, over calls while there are none: median ${median(ratios).toFixed(2)} of ${ROUNDS} pairs (${ratios.map((one) => one.toFixed(2)).join(', ')})`,
  )
} finally {
  rmSync(top, { recursive: true, force: true })
}
