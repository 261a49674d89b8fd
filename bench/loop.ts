/**
 * How late the master's event loop is under load, with SQLite on the main thread, as it is, and with its commits in a
 * thread; on this disk and on one whose fsync takes 5 ms.
 *
 * Run: npm run bench:loop (needs a C compiler for the slow disk; without one that is left out)
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { close } from '../dist/src/index.js'
import { CHECKOUT, Rig } from './rig.ts'
import { median } from './statistics.ts'

const PROBE = join(CHECKOUT, 'bench/loop/probe.js')
const QUEUED = 50_000
const CALLS = 40_000
const IN_FLIGHT = 1000
const ROUNDS = 5

interface Variant {
  readonly name: string
  readonly env: Readonly<Record<string, string>>
}

interface Figures {
  readonly rate: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

const top = mkdtempSync(join(tmpdir(), 'ztask-bench-'))

/** @returns the library that slows fsync down, where it can be made here */
const slowFsync = (): string | undefined => {
  const library = join(top, 'slow-fsync.so')
  const source = join(CHECKOUT, 'bench/loop/slow-fsync.c')
  return spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl']).status === 0
    ? library
    : undefined
}

/** Runs `work` on a daemon that is measured meanwhile, to the end of the last of so many jobs. */
const measured = async (
  rig: Rig,
  env: Variant['env'],
  jobs: number,
  warmUp: () => Promise<void>,
  work: () => Promise<void>,
): Promise<Figures> => {
  const file = join(rig.root, 'loop.json')
  const daemon = await rig.start({ ...env, LOOP_FILE: file, NODE_OPTIONS: `--import=${PROBE}` })
  await warmUp()
  const db = rig.database()
  const left = db.prepare('select exists (select 1 from jobs) as some')
  daemon.kill('SIGWINCH')
  const begun = performance.now()
  await work()
  while (left.get()?.some === 1) await sleep(5)
  const rate = (jobs / (performance.now() - begun)) * 1000
  daemon.kill('SIGWINCH')
  await sleep(100)
  db.close()
  await rig.end()
  return { rate, ...JSON.parse(readFileSync(file, 'utf8')) }
}

const nothing = async (): Promise<void> => {}

const SCENARIOS: Readonly<Record<string, (env: Variant['env']) => Promise<Figures>>> = {
  /** The jobs are rows before the daemon starts. */
  [`drain of ${QUEUED}`]: async (env) => {
    const rig = await Rig.make(top)
    const now = Date.now()
    rig.fill(QUEUED, () => now)
    return measured(rig, env, QUEUED, nothing, nothing)
  },
  [`${IN_FLIGHT} calls in flight`]: async (env) => {
    const rig = await Rig.make(top)
    const call = rig.caller()
    const figures = await measured(
      rig,
      env,
      CALLS,
      () => call(5000, IN_FLIGHT),
      () => call(CALLS, IN_FLIGHT),
    )
    close()
    return figures
  },
}

const library = slowFsync()
const variants: readonly Variant[] = [
  { name: 'main thread', env: {} },
  { name: 'thread of its own', env: { LOOP_THREAD: '1' } },
  ...(library === undefined
    ? []
    : [
        { name: 'fsync +5 ms, main thread', env: { LD_PRELOAD: library } },
        { name: 'fsync +5 ms, thread of its own', env: { LD_PRELOAD: library, LOOP_THREAD: '1' } },
      ]),
]

console.log(`The master's event loop, late by (ms; medians of ${ROUNDS} rounds in turn)`)
console.log('| scenario | SQLite | jobs/s | p50 | p99 | worst |')
console.log('|---|---|---|---|---|---|')
for (const [title, scenario] of Object.entries(SCENARIOS)) {
  const found = new Map<string, Figures[]>(variants.map(({ name }) => [name, []]))
  for (let round = 0; round < ROUNDS; round++)
    for (const { name, env } of variants) found.get(name)?.push(await scenario(env))
  for (const [name, all] of found) {
    const figure = (key: keyof Figures, digits: number): string =>
      median(all.map((one) => one[key])).toFixed(digits)
    const late = [figure('p50', 1), figure('p99', 1), figure('worst', 1)]
    console.log(`| ${title} | ${name} | ${figure('rate', 0)} | ${late.join(' | ')} |`)
  }
}
rmSync(top, { recursive: true })
if (library === undefined) console.log('No C compiler: the slow disk was left out.')
