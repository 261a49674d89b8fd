/**
 * A million waiting and a million delayed jobs: what the master's memory takes, how soon a daemon that was killed runs
 * again, and what is left of its speed.
 *
 * Run: npm run bench:large
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { close } from '../dist/src/index.js'
import { Rig } from './rig.ts'
import { median } from './statistics.ts'

const MILLION = 1_000_000
const DAY = 86_400_000
const ENQUEUED = 100_000
const PAIRS = 15
const DRAINED = 40_000
const CALLS = 10_000
const IN_FLIGHT = 64

const top = mkdtempSync(join(tmpdir(), 'ztask-bench-'))

/** Notes the most that the master's memory takes, until it is stopped. */
const watchMemory = (rig: Rig): (() => number) => {
  let most = rig.resident
  const timer = setInterval(() => {
    most = Math.max(most, rig.resident)
  }, 20)
  return () => {
    clearInterval(timer)
    return most
  }
}

/** Of a daemon that has just been started: how many jobs a second it ends, by rows that go. */
const drainRate = async (rig: Rig, count: number): Promise<number> => {
  const db = rig.database()
  // Jobs of one date go in the order of their numbers.
  const first = db.prepare("select seq from jobs where state = 'queued' order by due, seq limit 1")
  const head = (): number => Number(first.get()?.seq ?? Number.POSITIVE_INFINITY)
  const begin = head()
  while (head() < begin + 1000) await sleep(1)
  const from = head()
  const start = performance.now()
  while (head() < begin + count && head() !== Number.POSITIVE_INFINITY) await sleep(2)
  const to = Math.min(head(), begin + count)
  const rate = ((to - from) / (performance.now() - start)) * 1000
  db.close()
  return rate
}

const callRate = async (rig: Rig, call: ReturnType<Rig['caller']>): Promise<number> => {
  const db = rig.database()
  const now = Date.now() + DAY / 2
  const left = db.prepare(
    `select exists (select 1 from jobs where state = 'queued' and due < ${now}) as some`,
  )
  const start = performance.now()
  await call(CALLS, IN_FLIGHT)
  while (left.get()?.some === 1) await sleep(2)
  const rate = (CALLS / (performance.now() - start)) * 1000
  db.close()
  return rate
}

const row = (what: string, found: string, bar: string, holds: boolean): void =>
  console.log(`| ${what} | ${found} | ${bar} | ${holds ? 'holds' : '**does not hold**'} |`)

const full = await Rig.make(top)
const empty = await Rig.make(top)
const soon = Date.now()
full.fill(MILLION, () => soon)
full.fill(MILLION, (index) => soon + DAY + index)

console.log(`1,000,000 waiting and 1,000,000 delayed jobs\n\n| | found | asked | |\n|---|---|---|---|`)

// Killed at work; then a job that comes first tells when the next daemon is at work.
await full.start()
await sleep(500)
await full.end('SIGKILL')
const stamp = join(full.root, 'stamp')
full.fill(1, () => 0, 'stamp', [stamp])
const killed = performance.now()
const started = full.start()
while (!existsSync(stamp)) await sleep(1)
const first = performance.now() - killed
await started
row('from start to the first job, after kill -9', `${first.toFixed(0)} ms`, '< 3,000 ms', first < 3000)

const memory = (what: string, found: number): void =>
  row(`master, ${what}`, `${found.toFixed(0)} MiB`, '< 250 MiB', found < 250)

const draining = watchMemory(full)
await sleep(3000)
memory('draining', draining())
const busiest = watchMemory(full)
const call = full.caller()
await call(ENQUEUED, 1000)
await sleep(3000)
memory(`draining, ${ENQUEUED} calls beside it`, busiest())
close()
await full.end('SIGKILL')

const drains: number[] = []
const rates = { full: [] as number[], empty: [] as number[] }
for (let pair = 0; pair < PAIRS; pair++) {
  full.fill(DRAINED, () => soon)
  empty.fill(DRAINED, () => soon)
  await full.start()
  const one = await drainRate(full, DRAINED)
  await full.end('SIGKILL')
  await empty.start()
  const two = await drainRate(empty, DRAINED)
  await empty.end()
  rates.full.push(one)
  rates.empty.push(two)
  drains.push(one / two)
}
const drained = median(drains)
row(
  `drain, full table to empty (medians ${median(rates.full).toFixed(0)} and ${median(rates.empty).toFixed(0)} jobs/s)`,
  drained.toFixed(2),
  '> 0.70',
  drained > 0.7,
)

// What is due would run before what is called: only the delayed stay.
const db = full.database()
db.exec(`delete from jobs where due <= ${soon}`)
db.close()
full.fill(MILLION, (index) => soon + 2 * DAY + index)
await full.start()
await sleep(3000)
memory('at rest, 2,000,000 delayed', full.resident)
await empty.start()
const [callFull, callEmpty] = [full.caller(), empty.caller()]
const calls: number[] = []
const found = { full: [] as number[], empty: [] as number[] }
for (let pair = 0; pair <= PAIRS; pair++) {
  const [one, two] = [await callRate(full, callFull), await callRate(empty, callEmpty)]
  // The first warms up.
  if (pair === 0) continue
  found.full.push(one)
  found.empty.push(two)
  calls.push(one / two)
}
const called = median(calls)
row(
  `calls, ${IN_FLIGHT} in flight, 2,000,000 delayed to empty (medians ${median(found.full).toFixed(0)} and ${median(found.empty).toFixed(0)} jobs/s)`,
  called.toFixed(2),
  '> 0.70',
  called > 0.7,
)
close()
await full.end()
await empty.end()
rmSync(top, { recursive: true })
