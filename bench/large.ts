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
  const first = db.prepare(
    `select seq from jobs where state = 'queued' and due <= ${soon} order by due, seq limit 1`,
  )
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

interface Pairs {
  readonly full: number
  readonly empty: number
  /** The median of the pairs' own ratios. */
  readonly ratio: number
}

/** Measures both in turn, each first in every other pair: whoever comes after the other may inherit its writes. */
const inPairs = async (measure: (rig: Rig) => Promise<number>): Promise<Pairs> => {
  const rates = { full: [] as number[], empty: [] as number[] }
  for (let pair = 0; pair < PAIRS; pair++)
    for (const which of pair % 2 === 0 ? (['full', 'empty'] as const) : (['empty', 'full'] as const))
      rates[which].push(await measure(which === 'full' ? full : empty))
  const ratios = rates.full.map((rate, pair) => rate / (rates.empty[pair] ?? Number.NaN))
  return { full: median(rates.full), empty: median(rates.empty), ratio: median(ratios) }
}

const row = (what: string, found: string, bar: string, holds: boolean): void =>
  console.log(`| ${what} | ${found} | ${bar} | ${holds ? 'holds' : '**does not hold**'} |`)

const speed = (what: string, { full, empty, ratio }: Pairs): void =>
  row(
    `${what} (medians ${full.toFixed(0)} and ${empty.toFixed(0)} jobs/s)`,
    ratio.toFixed(2),
    '> 0.70',
    ratio > 0.7,
  )

const full = await Rig.make(top)
const empty = await Rig.make(top)
const soon = Date.now()
full.fill(MILLION, () => soon)
full.fill(MILLION, (index) => soon + DAY + index)

console.log(`1,000,000 waiting and 1,000,000 delayed jobs\n\n| | found | asked | |\n|---|---|---|---|`)

const waiting = (): number => {
  const db = full.database()
  const { count } = db.prepare(`select count(*) as count from jobs where due <= ${soon}`).get() ?? {}
  db.close()
  return Number(count)
}

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
await sleep(1500)
memory('draining', draining())
const busiest = watchMemory(full)
const call = full.caller()
await call(ENQUEUED, 1000)
await sleep(1000)
memory(`draining, ${ENQUEUED} calls beside it`, busiest())
close()
await full.end('SIGKILL')
const left = waiting()
if (left === 0) throw new Error('The jobs had run out: the memory was not measured at work.')
full.fill(MILLION - left, () => soon)

const drains = await inPairs(async (rig) => {
  rig.fill(DRAINED, () => soon)
  await rig.start()
  const rate = await drainRate(rig, DRAINED)
  await rig.end('SIGKILL')
  return rate
})
speed('drain, full table to empty', drains)

// What is due would run before what is called: only the delayed stay.
const db = full.database()
db.exec(`delete from jobs where due <= ${soon}`)
db.close()
full.fill(MILLION, (index) => soon + 2 * DAY + index)
await full.start()
await sleep(3000)
memory('at rest, 2,000,000 delayed', full.resident)
await empty.start()
const callers = new Map([full, empty].map((rig) => [rig, rig.caller()]))
const measureCalls = (rig: Rig): Promise<number> => callRate(rig, callers.get(rig) ?? rig.caller())
for (const rig of callers.keys()) await measureCalls(rig) // Warms up.
speed(`calls, ${IN_FLIGHT} in flight, 2,000,000 delayed to empty`, await inPairs(measureCalls))
close()
await full.end()
await empty.end()
rmSync(top, { recursive: true })
