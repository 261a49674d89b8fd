/**
 * The lives of jobs against a simple model: whatever happens in whatever order, no job is lost, none is in two places,
 * each pays for what is its own fault and nothing else, and what was cancelled never runs again. The ring and the database
 * are real; workers, which would take their time, are played.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Commands } from '../../src/daemon/commands.ts'
import { Journal } from '../../src/daemon/journal.ts'
import { Ring } from '../../src/daemon/ring.ts'
import type { Job } from '../../src/model/job.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import type { Worker } from '../../src/model/run.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import { BEGINNING, type Handing, type MasterMessage } from '../../src/wire/ipc.ts'
import { newJobOf } from '../harness/jobs.ts'

const RUNS = Number(process.env.ZTASK_RUNS ?? 100)
const WORKERS = 2
const CONCURRENCY = 3
const GRACE = 1000

const TASKS = [
  { name: 'once', aliases: [], options: { retryCount: 0, retryAfter: 0 } },
  { name: 'thrice', aliases: [], options: { retryCount: 2, retryAfter: 0.1 } },
  { name: 'timed', aliases: [], options: { retryCount: 1, retryAfter: 0, timeout: 0.3 } },
] as const
const retriesOf = (task: string): number => TASKS.find(({ name }) => name === task)?.options.retryCount ?? 0

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What the model knows of a job. */
interface Life {
  readonly id: string
  readonly task: string
  charged: number
  /** Its run has ended well, or it was cancelled: it must never be handed out again. */
  over: boolean
  /** Told that its time is up, and not yet charged for it: where it then throws or is killed it will be. */
  timedOut: boolean
}

interface Handed {
  readonly place: number
  readonly run: number
  readonly id: string
  readonly timed: boolean
}

interface Played {
  readonly worker: Worker
  /** What it has begun. */
  readonly runs: Map<number, string>
  /** What it has not. */
  stock: Handed[]
  /** Its event loop stands still: it begins nothing, ends nothing and answers nothing; its thread gives back. */
  blocked: boolean
  pings: number
  /** Its latest run that has begun, and the one up to which the ring knows. */
  latest: number
  told: number
}

class World {
  readonly lives = new Map<string, Life>()
  readonly #store: SqliteStore
  #ring!: Ring
  #commands!: Commands
  #workers = new Map<number, Played>()
  #boot = 0
  #number = 0
  #jobs = 0
  /** What was wrong in a callback. */
  readonly #faults: unknown[] = []

  constructor(store: SqliteStore) {
    this.#store = store
  }

  async start(): Promise<void> {
    this.#workers.clear()
    const clock = { now: () => Date.now(), monotonic: () => Date.now() }
    const ring = new Ring({
      ...{ store: this.#store, clock, concurrency: CONCURRENCY, remember: 1e9, boot: ++this.#boot },
      journal: new Journal(pino({ level: 'silent' }), 'ztask.db'),
      ...{ killGrace: GRACE, hangTimeout: 1e6, lease: 15_000, register: async () => {} },
      send: (worker, message) => ring === this.#ring && this.#receive(worker, message),
      recall: (worker, places, told) => queueMicrotask(() => this.#recalled(worker, places, told)),
      isolate: (wanted) => ring === this.#ring && queueMicrotask(() => this.#isolate(wanted)),
      relieve: () => this.#admit(false),
      retire: (worker) => queueMicrotask(() => this.#retire(worker)),
      tell: () => {},
      tellProgress: () => {},
      kill: (worker) => queueMicrotask(() => this.#dies(worker, true)),
      hold: () => {},
    })
    this.#ring = ring
    const others = { facts: () => ({}), reload: () => Promise.reject(new Error('not here')) }
    this.#commands = new Commands({ store: this.#store, clock, queue: ring.queue, ...others })
    ring.learn(1, TASKS, { retryCount: 0, retryAfter: 0 })
    await ring.recover()
    for (let i = 0; i < WORKERS; i++) this.#admit(false)
    ring.start()
    await this.settle()
  }

  /** Lets all that is under way come to rest. */
  async settle(): Promise<void> {
    for (let i = 0; i < 4; i++) {
      await this.#ring.drained()
      await turn()
    }
  }

  #admit(isolated: boolean): void {
    const number = ++this.#number
    const worker = { number, pid: number, generation: 1, loaded: 1, isolated }
    this.#workers.set(number, {
      worker,
      runs: new Map(),
      stock: [],
      blocked: false,
      pings: 0,
      latest: 0,
      told: 0,
    })
    this.#ring.admit(worker)
  }

  /** What it has not begun it gives back; what it runs ends well, in the end. */
  #retire(worker: Worker): void {
    const played = this.#workers.get(worker.number)
    for (const { run } of played?.stock.splice(0) ?? []) this.#report(worker, run, { kind: 'unbegun' }, 0)
    for (const [run, id] of played?.runs ?? []) {
      const life = this.lives.get(id) as Life
      life.over = true
      this.#report(worker, run, { kind: 'succeeded' })
    }
    this.#dies(worker, true)
  }

  /** With it goes how far the worker is, or is as soon as this has left. */
  #report(worker: Worker, run: number, outcome: Outcome, worked = 1): void {
    const played = this.#workers.get(worker.number)
    const begun = played?.stock[0]?.run ?? played?.latest ?? 0
    if (played !== undefined) played.told = begun
    this.#ring.hear(worker, { kind: 'ended', ended: [[run, outcome]], worked, begun })
  }

  #isolate(wanted: boolean): void {
    const isolated = [...this.#workers.values()].find(({ worker }) => worker.isolated)
    if (wanted && isolated === undefined) this.#admit(true)
    if (!wanted && isolated?.runs.size === 0) this.#dies(isolated.worker, true)
  }

  #receive(worker: Worker, message: MasterMessage): void {
    const played = this.#workers.get(worker.number)
    if (played === undefined) return
    if (message.kind === 'ping' && played.blocked) played.pings++
    else if (message.kind === 'ping')
      queueMicrotask(() => this.#ring.hear(worker, { kind: 'pong', loading: false }))
    if (message.kind === 'abort' && message.reason === 'timeout') this.#timesOut(worker, message.run)
    try {
      if (message.kind !== 'jobs') return
      message.jobs.forEach((handing, index) => {
        this.#takes(played, message.first + index, handing)
      })
      this.#begins(played)
    } catch (error) {
      this.#faults.push(error)
    }
  }

  /** Its thread answers, whatever its event loop does. */
  #recalled(worker: Worker, places: readonly number[], told: (places: readonly number[]) => void): void {
    const played = this.#workers.get(worker.number)
    if (played === undefined) return
    const back = played.stock.filter(({ place }) => places.includes(place))
    played.stock = played.stock.filter((one) => !back.includes(one))
    told(back.map(({ place }) => place))
  }

  #begins(played: Played): void {
    const { worker, runs } = played
    while (!played.blocked && runs.size < (worker.isolated ? 1 : CONCURRENCY)) {
      const next = played.stock.shift()
      if (next === undefined) return
      expect((this.lives.get(next.id) as Life).over, `${next.id} runs again`).toBe(false)
      played.latest = next.run
      // A worker tells of the first that it begins, before anything can happen to it.
      if (runs.size === 0 && next.run > played.told) this.#ring.begun(worker, next.run)
      runs.set(next.run, next.id)
      if (next.timed) queueMicrotask(() => this.#ring.hear(worker, { kind: 'begun', run: next.run }))
    }
  }

  #takes(played: Played, place: number, [run, id, task, , attempt, , asked]: Handing): void {
    const life = this.lives.get(id) as Life
    expect(life.over, `${id} runs again`).toBe(false)
    this.#chargeTimeout(life, attempt - 1)
    expect(attempt, id).toBe(life.charged + 1)
    expect(attempt).toBeLessThanOrEqual(retriesOf(task) + 1)
    for (const { runs, stock } of this.#workers.values())
      expect([...runs.values(), ...stock.map((one) => one.id)]).not.toContain(id)
    played.stock.push({ place, run, id, timed: (asked & BEGINNING) > 0 })
    if (played.worker.isolated) expect(played.runs.size + played.stock.length).toBe(1)
    mostHeld = Math.max(mostHeld, played.runs.size + played.stock.length)
  }

  #timesOut(worker: Worker, run: number): void {
    const id = this.#workers.get(worker.number)?.runs.get(run)
    const life = this.lives.get(id ?? '')
    if (life !== undefined) life.timedOut = true
  }

  /** Its worker was killed for it, when is the ring's to say. */
  #chargeTimeout(life: Life, attempts: number): void {
    if (!life.timedOut || attempts === life.charged) return
    life.charged++
    life.timedOut = false
  }

  // What may happen. `pick` chooses among what there is.

  async insert(pick: number): Promise<void> {
    const { name: task } = TASKS[pick % TASKS.length] as (typeof TASKS)[number]
    const id = `job ${++this.#jobs}`
    this.lives.set(id, { id, task, charged: 0, over: false, timedOut: false })
    const now = Date.now()
    const job = newJobOf(id, { task, due: now, created: now })
    await new Promise<void>((stored) => this.#ring.insert([job], () => stored(), false))
  }

  /** Quick jobs, many: what runs them gets a stock. */
  async burst(pick: number): Promise<void> {
    for (let i = 0; i < pick; i++) await this.insert(i)
    for (let i = 0; i < pick; i++) {
      if (i % 4 === 0) await this.wait(1)
      this.end(i, true)
    }
    for (let i = 0; i < pick; i++) await this.insert(i)
  }

  end(pick: number, well: boolean): void {
    const all = [...this.#workers.values()].flatMap((played) =>
      played.blocked ? [] : [...played.runs].map(([run, id]) => ({ played, run, id })),
    )
    const chosen = all[pick % all.length]
    if (chosen === undefined) return
    const { played, run, id } = chosen
    const { worker } = played
    played.runs.delete(run)
    const life = this.lives.get(id) as Life
    if (well) life.over = true
    else if (!life.over) life.charged++
    life.timedOut = false
    const failure = { name: 'Error', message: 'no', stack: '' }
    const outcome = well ? ({ kind: 'succeeded' } as const) : ({ kind: 'threw', failure } as const)
    this.#report(worker, run, outcome)
    this.#begins(played)
  }

  /** A task that computes begins, or lets go. */
  block(pick: number): void {
    const all = [...this.#workers.values()]
    const played = all[pick % all.length]
    if (played === undefined) return
    played.blocked = !played.blocked
    if (played.blocked) return
    for (; played.pings > 0; played.pings--) this.#ring.hear(played.worker, { kind: 'pong', loading: false })
    this.#begins(played)
  }

  die(pick: number, expected: boolean): void {
    const all = [...this.#workers.values()]
    const played = all[pick % all.length]
    if (played === undefined) return
    const { runs, stock } = played
    // What it was handed and has not begun does not pay.
    const [alone] = runs.values()
    if (!expected && alone !== undefined && runs.size + stock.length === 1) this.#charge(alone)
    this.#dies(played.worker, expected)
    if (!played.worker.isolated) this.#admit(false)
  }

  #charge(id: string): void {
    const life = this.lives.get(id) as Life
    if (!life.over) life.charged++
    life.timedOut = false
  }

  /** By a signal of its own, or killed by the ring: then what had timed out and not ended is charged. */
  #dies(worker: Worker, expected: boolean): void {
    const played = this.#workers.get(worker.number)
    if (played === undefined) return
    this.#workers.delete(worker.number)
    this.#ring.dismiss(worker, { code: null, signal: 'SIGKILL' }, expected ? 'die' : undefined)
  }

  async cancel(pick: number): Promise<void> {
    const all = [...this.lives.keys()]
    const id = all[pick % all.length]
    if (id === undefined) return
    const [{ result }] = (await this.#commands.run('cancel', { ids: [id] })) as [{ result: string }]
    const life = this.lives.get(id) as Life
    if (result === 'unknown' || result === 'finished') {
      const row = await this.#store.find(id)
      expect(life.over || row?.state === 'failed', `${id} is ${result}`).toBe(true)
    } else {
      expect(['removed', 'signalled']).toContain(result)
      life.over = true
    }
  }

  /** The daemon dies with all its workers; the model reads the marks, and knows who pays. */
  async crash(): Promise<void> {
    this.#ring.stop()
    const marked = await this.#store.marked()
    const underWay = marked.filter(({ mark }) => mark === 'started' || mark === 'trial')
    const tried = underWay.filter(({ mark }) => mark === 'trial')
    const beside = marked.some(({ mark }) => mark === 'cancelled')
    if (underWay.length === 1 && !beside) this.#charge(underWay[0]?.id ?? '')
    else if (tried.length === 1) this.#charge(tried[0]?.id ?? '')
    await this.start()
  }

  /** Time passes: retries come due, what lasts is marked, what has a timeout is told, and its worker killed. */
  async wait(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms)
    await this.settle()
  }

  async check(): Promise<void> {
    await this.settle()
    expect(this.#faults).toEqual([])
    const running = new Set(
      [...this.#workers.values()].flatMap(({ runs, stock }) => [
        ...runs.values(),
        ...stock.map(({ id }) => id),
      ]),
    )
    for (const life of this.lives.values()) {
      const row: Job | undefined = await this.#store.find(life.id)
      if (row === undefined) {
        expect(life.over, `${life.id} is lost`).toBe(true)
        expect(running.has(life.id)).toBe(false)
        continue
      }
      if (life.over) {
        expect(row.mark, `${life.id} is over and still there`).toBe('cancelled')
        continue
      }
      this.#chargeTimeout(life, row.attempts)
      expect(row.attempts, life.id).toBe(life.charged)
      expect(row.state, life.id).toBe(life.charged > retriesOf(life.task) ? 'failed' : 'queued')
      if (row.state === 'failed') expect(running.has(life.id)).toBe(false)
    }
  }

  /** From now on all goes well: every job that is not over must come to run, and end. */
  async finish(): Promise<void> {
    for (const [index, { blocked }] of [...this.#workers.values()].entries()) if (blocked) this.block(index)
    for (let i = 0; i < 200 && (await this.#unfinished()) > 0; i++) {
      this.end(0, true)
      await this.wait(i % 10 === 0 ? 200 : 0)
    }
    await this.wait(3 * GRACE)
    expect(await this.#unfinished()).toBe(0)
    this.#ring.stop()
  }

  async #unfinished(): Promise<number> {
    const { waiting, scheduled } = await this.#store.counts(Date.now())
    return waiting + scheduled
  }
}

let folder = ''
/** Jobs that one worker had at a time. */
let mostHeld = 0

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ztask-lives-'))
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] })
})

afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

const EVENTS = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant('insert' as const), fc.nat(20)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('succeed' as const), fc.nat(20)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('throw' as const), fc.nat(20)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('die' as const), fc.nat(20)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('retire' as const), fc.nat(20)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('cancel' as const), fc.nat(20)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('crash' as const), fc.nat(20)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('wait' as const), fc.nat(2500)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('wait' as const), fc.nat(30)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('burst' as const), fc.nat(20)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('block' as const), fc.nat(20)) },
)

test(`no job is lost, none is in two places, each pays for its own (${RUNS} lives)`, async () => {
  let count = 0
  await fc.assert(
    fc.asyncProperty(fc.array(EVENTS, { minLength: 5, maxLength: 60 }), async (events) => {
      const store = new SqliteStore(join(folder, `${++count}.db`))
      await migrate(store)
      const world = new World(store)
      try {
        await world.start()
        for (const [kind, pick] of events) {
          if (kind === 'insert') await world.insert(pick)
          else if (kind === 'succeed') world.end(pick, true)
          else if (kind === 'throw') world.end(pick, false)
          else if (kind === 'die') world.die(pick, false)
          else if (kind === 'retire') world.die(pick, true)
          else if (kind === 'burst') await world.burst(pick)
          else if (kind === 'block') world.block(pick)
          else if (kind === 'cancel') await world.cancel(pick)
          else if (kind === 'crash') await world.crash()
          else await world.wait(pick)
          await world.check()
        }
        await world.finish()
      } finally {
        await store.close()
      }
    }),
    { numRuns: RUNS, ...(process.env.ZTASK_SEED !== undefined && { seed: Number(process.env.ZTASK_SEED) }) },
  )
  // Else no stock was ever tried.
  expect(mostHeld).toBeGreaterThan(CONCURRENCY)
})
