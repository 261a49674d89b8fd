/**
 * How late the master's event loop is under load, with SQLite on the main thread, as it is, and with its commits in a
 * thread; on this disk and on one whose fsync takes 5 ms.
 *
 * Run: npm run bench:loop (needs a C compiler for the slow disk; without one that is left out)
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 } from 'uuid'
import { type ClientSpec, close, type Job, makeClient } from '../dist/src/index.js'

const CHECKOUT = resolve(import.meta.dirname, '..')
const EXECUTABLE = join(CHECKOUT, 'bin/ztask.js')
const PROBE = join(CHECKOUT, 'bench/loop/probe.js')
const QUEUED = 50_000
const CALLS = 40_000
const IN_FLIGHT = 1000
const ROUNDS = 5
const ARGS = ['a@b.c', 'Welcome!', { userId: 12345, vars: { name: 'Ann', plan: 'pro' } }] as const

type Calls = { async(...args: unknown[]): Promise<Job> }

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

const freePort = (): Promise<number> =>
  new Promise((found) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => found(port))
    })
  })

const accepts = (port: number): Promise<boolean> =>
  new Promise((told) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      told(true)
    })
    socket.once('error', () => told(false))
  })

class Trial {
  readonly #root = mkdtempSync(join(top, 'trial-'))
  readonly #env: Readonly<Record<string, string>>
  readonly #url: string
  #daemon: ChildProcess | undefined

  constructor(env: Readonly<Record<string, string>>, port: number) {
    this.#env = { ...env, LOOP_FILE: join(this.#root, 'loop.json'), NODE_OPTIONS: `--import=${PROBE}` }
    this.#url = `tcp://127.0.0.1:${port}`
    for (const folder of ['src', 'node_modules']) mkdirSync(join(this.#root, folder))
    symlinkSync(CHECKOUT, join(this.#root, 'node_modules/ztask'))
    writeFileSync(join(this.#root, 'package.json'), '{ "name": "bench", "type": "module" }')
    writeFileSync(
      join(this.#root, 'src/tasks.js'),
      "import { task } from 'ztask'\nexport const noop = task(async () => {})\n",
    )
    const options = { cwd: this.#root, stdio: 'ignore' } as const
    for (const command of ['generate', 'migrate'])
      execFileSync(process.execPath, [EXECUTABLE, command], options)
  }

  #database(): DatabaseSync {
    return new DatabaseSync(join(this.#root, '.ztask/ztask.db'), { timeout: 10_000 })
  }

  async #start(): Promise<void> {
    const flags = ['--workers', '2', '--noreload', '-l', 'WARNING', '--url', this.#url]
    const daemon = spawn(process.execPath, [EXECUTABLE, 'daemon', ...flags], {
      cwd: this.#root,
      env: { ...process.env, ...this.#env },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    this.#daemon = daemon
    while (!(await accepts(Number(new URL(this.#url).port)))) await sleep(2)
  }

  /** From the start to an empty table: the jobs are rows before. */
  async drain(): Promise<Figures> {
    const db = this.#database()
    const insert = db.prepare(
      "insert into jobs (id, task, args, state, due, created, attempts) values (?, 'noop', ?, 'queued', ?, ?, 0)",
    )
    db.exec('begin')
    const now = Date.now()
    for (let i = 0; i < QUEUED; i++) insert.run(v7(), JSON.stringify(ARGS), now, now)
    db.exec('commit')
    db.close()
    await this.#start()
    return this.#measure(QUEUED, async () => {})
  }

  /** Calls, so many in flight, to the end of the last. */
  async endToEnd(): Promise<Figures> {
    await this.#start()
    const spec: ClientSpec = {
      project: 'bench',
      url: this.#url,
      settings: { callTimeout: 60 },
      tasks: ['noop'],
      load: () => Promise.reject(new Error('no registry here')),
    }
    const { noop } = makeClient<Record<'noop', Calls>>(spec)
    const call = async (count: number): Promise<void> => {
      let made = 0
      const one = async (): Promise<void> => {
        while (made++ < count) await noop.async(...ARGS)
      }
      await Promise.all(Array.from({ length: IN_FLIGHT }, one))
    }
    await call(5000)
    const figures = await this.#measure(CALLS, () => call(CALLS))
    close()
    return figures
  }

  async #measure(jobs: number, work: () => Promise<void>): Promise<Figures> {
    const db = this.#database()
    const left = db.prepare('select exists (select 1 from jobs) as some')
    this.#daemon?.kill('SIGWINCH')
    const begun = performance.now()
    await work()
    while (left.get()?.some === 1) await sleep(5)
    const rate = (jobs / (performance.now() - begun)) * 1000
    this.#daemon?.kill('SIGWINCH')
    await sleep(100)
    db.close()
    return { rate, ...JSON.parse(readFileSync(String(this.#env.LOOP_FILE), 'utf8')) }
  }

  async end(): Promise<void> {
    const gone = new Promise((exit) => this.#daemon?.once('exit', exit))
    this.#daemon?.kill('SIGTERM')
    await gone
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

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
for (const scenario of ['drain', 'endToEnd'] as const) {
  const found = new Map<string, Figures[]>(variants.map(({ name }) => [name, []]))
  for (let round = 0; round < ROUNDS; round++)
    for (const { name, env } of variants) {
      const trial = new Trial(env, await freePort())
      found.get(name)?.push(await trial[scenario]())
      await trial.end()
    }
  for (const [name, all] of found) {
    const figure = (key: keyof Figures, digits: number): string =>
      median(all.map((one) => one[key])).toFixed(digits)
    const title = scenario === 'drain' ? `drain of ${QUEUED}` : `${IN_FLIGHT} calls in flight`
    console.log(
      `| ${title} | ${name} | ${figure('rate', 0)} | ${figure('p50', 1)} | ${figure('p99', 1)} | ${figure('worst', 1)} |`,
    )
  }
}
rmSync(top, { recursive: true })
if (library === undefined) console.log('No C compiler: the slow disk was left out.')
