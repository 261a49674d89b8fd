import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import { Journal } from '../../src/daemon/journal.ts'
import { Ring } from '../../src/daemon/ring.ts'
import { Scheduler } from '../../src/daemon/scheduler.ts'
import { byDue, byTurn, type Due, isSuspect, type Job, type NewJob, weightOf } from '../../src/model/job.ts'
import type { Worker } from '../../src/model/run.ts'
import { migrate } from '../../src/store/migrate.ts'
import { SqliteStore } from '../../src/store/sqlite.ts'
import type { Stretch } from '../../src/store/store.ts'
import { newJobOf, jobOf as storedJob } from '../harness/jobs.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Characters of arguments, of one job and of a window. */
const LARGEST = 50
const LEAST_WEIGHT = 20

const jobOf = (seq: number, due: number, more: Partial<Job> = {}): Job => storedJob(seq, { due, ...more })

/** Lets every promise that can go on do so. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 8; i++) await undefined
}

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** What a store answers that holds these rows, in their order. */
const stretchOf = (rows: readonly Job[], limit: number, most: number): Stretch => {
  let weight = 0
  const exceeding = rows.findIndex((job) => {
    weight += weightOf(job)
    return weight > most
  })
  const end = Math.min(limit, exceeding === -1 ? rows.length : exceeding + 1)
  return { jobs: rows.slice(0, end), isCut: end === limit || exceeding !== -1 }
}

/** A read of the table: what it saw, once it has looked, and its answer, once it is given. */
interface Read {
  readonly priority: number
  readonly limit: number
  readonly most: number
  readonly after: Due | undefined
  readonly answer: (stretch: Stretch) => void
  readonly fail: (error: Error) => void
  seen: Stretch | undefined
}

/**
 * The scheduler in a world that is driven by hand: a table whose reads look and answer when they are told to, a pool
 * of `room` places and one more for a suspect, filled at each wake, and an alarm, as the ring has them. Beside it the
 * truth, a plain list, against which each job that is handed out is checked.
 */
class World {
  readonly scheduler: Scheduler
  /** Every row, whatever became of it on its way to the scheduler. */
  readonly table = new Map<number, Job>()
  readonly running = new Map<number, Job>()
  /** Rows whose ending is in the table, and not yet told to the scheduler. */
  readonly untold: { readonly job: Job; readonly next: Job | undefined }[] = []
  /** Rows that are in the table and not yet told to the scheduler. */
  readonly arriving: Job[] = []
  readonly withdrawn = new Map<number, Job>()
  readonly reads: Read[] = []
  readonly handedOut: Job[] = []
  now = 0
  room: number
  #alarm: number | undefined
  #seq = 0
  /** Whatever the scheduler was given are copies: what is left of them is its own. */
  readonly #given: WeakRef<Job>[] = []

  constructor(window: number, room: number, weight?: number) {
    this.room = room
    this.scheduler = new Scheduler({
      window,
      ...(weight !== undefined && { weight }),
      clock: { now: () => this.now, monotonic: () => this.now },
      wake: () => this.pump(),
      unreadable: () => {},
      store: {
        nearest: (priority, limit, most, after) =>
          new Promise((answer, fail) =>
            this.reads.push({ priority, limit, most, after, answer, fail, seen: undefined }),
          ),
        priorities: async () => [...new Set(this.queued().map(({ priority }) => priority))],
      },
    })
  }

  #give(jobs: readonly Job[]): Job[] {
    const copies = jobs.map((job) => ({ ...job }))
    this.#given.push(...copies.map((job) => new WeakRef(job)))
    return copies
  }

  /** The jobs that the scheduler keeps, but for those that it has handed out. */
  async kept(): Promise<readonly Job[]> {
    await turn()
    gc()
    const alive = this.#given.flatMap((ref) => ref.deref() ?? [])
    const taken = new Set(this.handedOut)
    return alive.filter((job) => !taken.has(job))
  }

  /** Rows that the table has for queued. */
  queued(): Job[] {
    return [...this.table.values()].filter((job) => job.state === 'queued').sort(byTurn)
  }

  /** Rows that nothing keeps from running but the time. */
  queue(): Job[] {
    return this.queued().filter((job) => !this.isBusy(job))
  }

  due(suspect = false): Job[] {
    return this.queue().filter((job) => job.due <= this.now && isSuspect(job) === suspect)
  }

  /** Places for jobs that are no suspects. */
  get free(): number {
    return this.room - [...this.running.values()].filter((job) => !isSuspect(job)).length
  }

  get mayTry(): boolean {
    return ![...this.running.values()].some(isSuspect)
  }

  isBusy({ seq }: Job): boolean {
    return (
      this.running.has(seq) ||
      this.withdrawn.has(seq) ||
      this.untold.some(({ job }) => job.seq === seq) ||
      this.arriving.some((job) => job.seq === seq)
    )
  }

  pump(): void {
    while (this.free > 0) {
      const due = this.due()
      const taken = this.scheduler.take(this.free)
      this.#check(taken, due)
      if (taken.length === 0) break
    }
    if (this.mayTry) {
      const due = this.due(true)
      const suspect = this.scheduler.takeSuspect()
      // Behind large jobs that wait for room it may stand in the table alone, while one of another priority is at hand.
      const alike = due.filter(({ priority }) => priority === suspect?.priority)
      if (suspect !== undefined) this.#check([suspect], alike)
    }
    this.#alarm = this.scheduler.nextDue(this.now)
  }

  #check(taken: readonly Job[], due: readonly Job[]): void {
    expect(taken).toEqual([...taken].sort(byTurn))
    const turns = this.reads.length === 0 ? due.slice(0, taken.length) : undefined
    // While nothing is being read the window holds what comes first, so that the turn is exact.
    if (turns !== undefined) expect(taken).toEqual(turns)
    // And whatever is being read, no smaller priority overtakes a greater one.
    const least = Math.min(...taken.map(({ priority }) => priority))
    const left = due.filter((job) => !taken.some(({ seq }) => seq === job.seq))
    expect(left.filter(({ priority }) => priority > least)).toEqual([])
    for (const job of taken) {
      expect(due).toContainEqual(job)
      expect(this.running.has(job.seq)).toBe(false)
      this.running.set(job.seq, job)
      this.handedOut.push(job)
    }
  }

  /** New rows, in the table from now on; the scheduler is told later. */
  store(
    delays: readonly number[],
    state: Job['state'] = 'queued',
    sizes: readonly number[] = [],
    priorities: readonly number[] = [],
  ): void {
    for (const [at, delay] of delays.entries()) {
      const args = 'x'.repeat(sizes[at % sizes.length] ?? 2)
      const priority = priorities[at % priorities.length] ?? 0
      const job = jobOf(++this.#seq, this.now + delay, { state, args, priority })
      this.table.set(job.seq, job)
      this.arriving.push(job)
    }
  }

  tellArrivals(): void {
    const jobs = this.arriving.splice(0)
    if (jobs.length > 0) this.scheduler.add(this.#give(jobs))
  }

  /** A run is over: its place is free at once, the table knows it, and the scheduler is told later. */
  end(job: Job, next: Job | undefined): void {
    this.running.delete(job.seq)
    if (next === undefined) this.table.delete(job.seq)
    else this.table.set(job.seq, next)
    this.untold.push({ job, next })
    this.pump()
  }

  tellEndings(): void {
    for (let one = this.untold.shift(); one !== undefined; one = this.untold.shift()) {
      const { job, next } = one
      if (next?.state === 'queued') this.scheduler.add(this.#give([next]))
      else this.scheduler.forget(job)
    }
    this.pump()
  }

  release(job: Job): void {
    this.running.delete(job.seq)
    this.scheduler.add(this.#give([job]))
  }

  /** Failed or held rows are queued again, behind the scheduler's back. */
  requeue(): void {
    for (const job of this.table.values())
      if (job.state !== 'queued' && !this.isBusy(job))
        this.table.set(job.seq, { ...job, state: 'queued', due: this.now, attempts: 0 })
    this.scheduler.refill()
  }

  withdraw(job: Job): void {
    const free = !this.isBusy(job)
    expect(this.scheduler.withdraw(job)).toBe(free)
    if (free) this.withdrawn.set(job.seq, job)
  }

  tellWithdrawals(removed: boolean): void {
    for (const job of [...this.withdrawn.values()]) {
      this.withdrawn.delete(job.seq)
      if (removed) this.table.delete(job.seq)
      if (removed) this.scheduler.forget(job)
      else this.scheduler.add(this.#give([job]))
    }
  }

  tick(ms: number): void {
    this.now += ms
    if (this.#alarm !== undefined && this.#alarm <= this.now) this.pump()
  }

  look(read: Read): void {
    const { priority, after } = read
    const queued = this.queued().filter((job) => job.priority === priority)
    const beyond = after === undefined ? queued : queued.filter((job) => byDue(job, after) > 0)
    read.seen ??= stretchOf(this.#give(beyond), read.limit, read.most)
  }

  async answer(): Promise<void> {
    const read = this.reads[0]
    if (read === undefined) return
    // A commit is told before a read that has seen it: the database answers in turn.
    this.tellArrivals()
    this.look(read)
    this.reads.shift()
    if (read.seen !== undefined) read.answer(read.seen)
    await settled()
  }

  /** Everything under way comes to its end, and nothing new happens. */
  async rest(): Promise<void> {
    this.tellArrivals()
    this.tellEndings()
    this.tellWithdrawals(false)
    await settled()
    for (let answers = 0; this.reads.length > 0; answers++) {
      if (answers > 1000) throw new Error('It reads and reads, and finds nothing that it wants.')
      await this.answer()
    }
  }

  /** Nothing is due that is not running while there is room: who would wake it? */
  expectNoStall(): void {
    if (this.free === 0) return
    expect(this.due().map(({ seq }) => seq)).toEqual([])
    if (this.mayTry) expect(this.due(true).map(({ seq }) => seq)).toEqual([])
  }
}

/** One thing that happens; `pick` chooses among the jobs that it can happen to. */
type Step = (world: World) => void | Promise<void>

const pickFrom = (jobs: Iterable<Job>, pick: number): Job | undefined => {
  const list = [...jobs].sort((a, b) => a.seq - b.seq)
  return list[pick % list.length]
}

const named = (name: string, step: Step): Step => Object.assign(step, { [fc.toStringMethod]: () => name })

const delay = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 2, arbitrary: fc.nat(200) })
const pick = fc.nat(1000)
/** Of jobs, in turn. The largest is more than the window may hold in all. */
const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(LARGEST)), {
  minLength: 1,
  maxLength: 7,
})

/** Of jobs, in turn. */
const priorities = fc.array(fc.constantFrom(0, 0, 0, 10, 3, -10), { minLength: 1, maxLength: 5 })

const running =
  (n: number, then: (world: World, job: Job) => void): Step =>
  (world) => {
    const job = pickFrom(world.running.values(), n)
    if (job !== undefined) then(world, job)
  }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.array(delay, { maxLength: 6 }), sizes, priorities)
      .map(([d, s, p]) => named(`store ${d} of ${s} at ${p}`, (w) => w.store(d, 'queued', s, p))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.array(delay, { maxLength: 60 }), sizes, priorities)
      .map(([d, s, p]) => named(`store ${d} of ${s} at ${p}`, (w) => w.store(d, 'queued', s, p))),
  },
  { weight: 1, arbitrary: delay.map((d) => named(`store one held ${d}`, (w) => w.store([d], 'held'))) },
  { weight: 4, arbitrary: fc.constant(named('tell arrivals', (w) => w.tellArrivals())) },
  {
    weight: 4,
    arbitrary: pick.map((n) =>
      named(
        `succeed ${n}`,
        running(n, (w, job) => w.end(job, undefined)),
      ),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(pick, delay).map(([n, d]) =>
      named(
        `retry ${n} in ${d}`,
        running(n, (w, job) => w.end(job, { ...job, attempts: job.attempts + 1, due: w.now + d })),
      ),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(pick, delay).map(([n, d]) =>
      named(
        `suspect ${n} in ${d}`,
        running(n, (w, job) => w.end(job, { ...job, mark: 'suspect', due: w.now + d })),
      ),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(pick, fc.constantFrom('failed' as const, 'held' as const)).map(([n, state]) =>
      named(
        `${state} ${n}`,
        running(n, (w, job) => w.end(job, { ...job, state })),
      ),
    ),
  },
  { weight: 4, arbitrary: fc.constant(named('tell endings', (w) => w.tellEndings())) },
  {
    weight: 2,
    arbitrary: pick.map((n) =>
      named(
        `release ${n}`,
        running(n, (w, job) => w.release(job)),
      ),
    ),
  },
  {
    weight: 2,
    arbitrary: pick.map((n) =>
      named(`withdraw ${n}`, (w) => {
        const job = pickFrom(w.table.values(), n)
        if (job?.state === 'queued' && !w.arriving.includes(job)) w.withdraw(job)
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.boolean().map((r) => named(`tell withdrawals ${r}`, (w) => w.tellWithdrawals(r))),
  },
  { weight: 1, arbitrary: fc.constant(named('requeue', (w) => w.requeue())) },
  { weight: 1, arbitrary: fc.constant(named('refill', (w) => w.scheduler.refill())) },
  { weight: 4, arbitrary: fc.nat(60).map((ms) => named(`tick ${ms}`, (w) => w.tick(ms))) },
  { weight: 3, arbitrary: fc.constant(named('look', (w) => w.reads[0] && w.look(w.reads[0]))) },
  { weight: 4, arbitrary: fc.constant(named('answer', (w) => w.answer())) },
)

describe('the window against a sorted list', () => {
  const window = fc.integer({ min: 4, max: 16 })
  const weight = fc.integer({ min: LEAST_WEIGHT, max: 100 })

  test('hands out each due job once, in its turn, and never stalls', async () => {
    const steps = fc.array(step, { maxLength: 120, size: 'max' })
    const property = fc.asyncProperty(
      window,
      weight,
      fc.integer({ min: 1, max: 8 }),
      steps,
      async (size, most, room, list) => {
        const world = new World(size, room, most)
        for (const one of list) {
          await one(world)
          await settled()
          if (world.reads.length === 0) world.expectNoStall()
          expect(world.scheduler.busy).toBe(world.running.size + world.untold.length + world.withdrawn.size)
        }
        await world.rest()
        world.expectNoStall()
        // From here on the alarm and freed places alone move it, to the last job.
        for (let left = world.queue().length + 1; left > 0; left--) {
          for (const job of [...world.running.values()]) world.end(job, undefined)
          await world.rest()
          const next = world.queue()[0]
          if (next !== undefined) world.tick(Math.max(0, next.due - world.now))
          await world.rest()
          world.expectNoStall()
        }
        expect(world.queue()).toEqual([])
        expect(world.running.size).toBe(0)
      },
    )
    await fc.assert(property, { numRuns: 1000 })
  })

  test('keeps no more jobs and no more characters than its bounds', async () => {
    const many = fc.array(fc.tuple(step, step, step), { minLength: 20, maxLength: 60, size: 'max' })
    const wide = fc.integer({ min: 16, max: 64 })
    const property = fc.asyncProperty(wide, weight, many, async (size, most, list) => {
      const world = new World(size, 2, most)
      for (const steps of list) {
        for (const one of steps) await one(world)
        await settled()
        world.tellArrivals()
      }
      await world.rest()
      const kept = (await world.kept()).filter((job) => !isSuspect(job))
      for (const lane of Map.groupBy(kept, ({ priority }) => priority).values()) {
        const held = lane.reduce((sum, job) => sum + weightOf(job), 0)
        // What arrived, twice as much as is read at once; what was read meanwhile; what was withdrawn and is not yet dropped;
        // and the last of a read, and where the window was cut.
        expect(held).toBeLessThanOrEqual(4 * most + 3 * LARGEST)
        expect(lane.length).toBeLessThanOrEqual(6 * size)
      }
    })
    await fc.assert(property, { numRuns: 40 })
  })

  test('a table read once, whole, is handed out in exactly its order', async () => {
    const rows = fc.array(fc.nat(30), { maxLength: 60 })
    const limits = fc.integer({ min: 1, max: 8 })
    const property = fc.asyncProperty(rows, priorities, limits, async (delays, ranks, limit) => {
      const world = new World(64, 0)
      world.store(delays, 'queued', [], ranks)
      world.arriving.length = 0
      world.scheduler.refill()
      await world.rest()
      world.now = 30
      const expected = world.queue().map(({ seq }) => seq)
      const taken: number[] = []
      for (let got = world.scheduler.take(limit); got.length > 0; got = world.scheduler.take(limit))
        taken.push(...got.map(({ seq }) => seq))
      expect(taken).toEqual(expected)
    })
    await fc.assert(property)
  })
})

describe('a refill', () => {
  test('passes over what changed while it read', async () => {
    const world = new World(8, 2)
    world.store([0, 0, 0])
    world.tellArrivals()
    world.scheduler.refill()
    await settled()
    const [read] = world.reads
    if (read !== undefined) world.look(read)
    const [first, second] = [...world.running.values()]
    if (first !== undefined) world.end(first, undefined)
    if (second !== undefined) world.end(second, { ...second, attempts: 1, due: 50 })
    world.tellEndings()
    await world.rest()
    expect(world.handedOut.map(({ seq }) => seq)).toEqual([1, 2, 3])
    world.tick(50)
    expect(world.handedOut.map(({ seq, attempts }) => [seq, attempts])).toContainEqual([2, 1])
  })

  test('asked for while its waking is heard is not lost', async () => {
    // As when the code knows none of the tasks in the window: each pump takes them all, and holds them.
    const world = new World(4, 1000)
    world.store(Array.from({ length: 20 }, () => 0))
    world.arriving.length = 0
    world.scheduler.refill()
    await world.rest()
    expect(world.handedOut).toHaveLength(20)
  })

  test('keeps what it dropped in mind when more arrived while it read than the window holds', async () => {
    const world = new World(4, 0)
    world.scheduler.refill()
    await settled()
    const [read] = world.reads
    if (read !== undefined) world.look(read)
    for (let i = 0; i < 5; i++) {
      world.store([5, 4, 3, 2])
      world.tellArrivals()
    }
    await world.rest()
    world.room = 1
    world.tick(10)
    for (let left = 25; left > 0; left--) {
      for (const job of [...world.running.values()]) world.end(job, undefined)
      await world.rest()
    }
    expect(world.queue().map(({ seq }) => seq)).toEqual([])
    expect(world.handedOut.map(({ due, seq }) => [due, seq])).toEqual(
      world.handedOut
        .map(({ due, seq }) => [due, seq])
        .sort(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d),
    )
  })

  test('asks for the window and what is busy; nothing is read while the window is all there is', async () => {
    const world = new World(4, 3)
    world.store([0, 0, 0, 0])
    world.tellArrivals()
    expect(world.reads).toHaveLength(0)
    world.scheduler.refill()
    await settled()
    expect(world.reads.map(({ limit }) => limit)).toEqual([7])
    await world.rest()
    for (const job of [...world.running.values()]) world.end(job, undefined)
    await world.rest()
    expect(world.reads).toHaveLength(0)
    expect(world.handedOut).toHaveLength(4)
  })

  test('reads no more characters than it has room for, and only when half of them are gone', async () => {
    const world = new World(1000, 1, 100)
    world.store(
      Array.from({ length: 30 }, () => 0),
      'queued',
      [20],
    )
    world.arriving.length = 0
    world.scheduler.refill()
    await settled()
    const asked: number[] = []
    for (let left = 30; left > 0; left--) {
      asked.push(...world.reads.map(({ most }) => most))
      await world.rest()
      for (const job of [...world.running.values()]) world.end(job, undefined)
      world.tellEndings()
    }
    expect(world.handedOut).toHaveLength(30)
    // Six rows are more than 100 characters, three more than 50; the last read finds none.
    expect(asked).toEqual([100, ...Array.from({ length: 9 }, () => 50)])
  })

  test('goes on where large jobs that run were all that it had room for: a suspect behind them is tried', async () => {
    const world = new World(4, 3, LEAST_WEIGHT)
    world.store([0, 0, 0], 'queued', [LARGEST])
    await world.rest()
    const third = [...world.running.values()].at(-1) as Job
    world.room = 2
    world.end(third, { ...third, mark: 'suspect', due: 10 })
    world.tellEndings()
    world.scheduler.refill()
    await world.rest()
    world.tick(10)
    expect([...world.running.keys()]).toEqual([1, 2, third.seq])
  })

  test('that fails is told and tried again each second, and what arrives meanwhile runs', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let failures = 0
    let fails = true
    const rows = Array.from({ length: 3 }, (_, i) => jobOf(i + 1, 0))
    const nearest = vi.fn(async (_: number, limit: number, most: number) => {
      if (fails) throw new Error('the disk is gone')
      return stretchOf(rows, limit, most)
    })
    const scheduler = new Scheduler({
      store: { nearest, priorities: async () => [0] },
      clock: { now: () => 10, monotonic: () => 10 },
      wake: () => {},
      unreadable: (error) => {
        expect(error.message).toBe('the disk is gone')
        failures++
      },
    })
    scheduler.refill()
    await settled()
    scheduler.add([jobOf(9, 5)])
    expect(scheduler.take(5).map(({ seq }) => seq)).toEqual([9])
    await vi.advanceTimersByTimeAsync(2999)
    expect([failures, nearest.mock.calls.length]).toEqual([3, 3])
    fails = false
    await vi.advanceTimersByTimeAsync(1)
    expect(scheduler.take(5).map(({ seq }) => seq)).toEqual([1, 2, 3])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(nearest).toHaveBeenCalledTimes(4)
  })
})

describe('memory', () => {
  /** How many of the jobs that `make` hands on are still held by anybody. */
  const alive = async (make: (track: (job: Job) => Job) => Promise<void> | void): Promise<number> => {
    const refs: WeakRef<Job>[] = []
    await make((job) => {
      refs.push(new WeakRef(job))
      return job
    })
    await turn()
    gc()
    return refs.filter((ref) => ref.deref() !== undefined).length
  }

  /** No job is due; a read sees none of those that arrive. */
  const idle = (window: number, weight?: number): Scheduler =>
    new Scheduler({
      window,
      ...(weight !== undefined && { weight }),
      clock: { now: () => 0, monotonic: () => 0 },
      wake: () => {},
      unreadable: () => {},
      store: { nearest: async () => ({ jobs: [], isCut: false }), priorities: async () => [0] },
    })

  test('a window that is full holds at most twice its size, however many arrive', async () => {
    const scheduler = idle(16)
    const count = await alive((track) => {
      for (let seq = 1; seq <= 5000; seq++) scheduler.add([track(jobOf(seq, 1 + ((seq * 7919) % 1000)))])
    })
    expect(count).toBeLessThanOrEqual(33)
    expect(scheduler.nextDue(0)).toBe(1)
  })

  test('the windows of all priorities are together less than twice four of the first', async () => {
    const scheduler = new Scheduler({
      clock: { now: () => 0, monotonic: () => 0 },
      wake: () => {},
      unreadable: () => {},
      store: { nearest: async () => ({ jobs: [], isCut: false }), priorities: async () => [] },
    })
    const count = await alive((track) => {
      for (let seq = 1; seq <= 100_000; seq++)
        scheduler.add([track(jobOf(seq, seq, { priority: (seq % 21) - 10 }))])
    })
    expect(count).toBeLessThan(2 * 4 * 2048)
  })

  test('what arrives while a read is under way is dropped too', async () => {
    let answer = (_: Stretch): void => {}
    const read = new Promise<Stretch>((resolve) => {
      answer = resolve
    })
    const scheduler = new Scheduler({
      window: 16,
      clock: { now: () => 0, monotonic: () => 0 },
      wake: () => {},
      unreadable: () => {},
      store: { nearest: () => read, priorities: async () => [0] },
    })
    scheduler.refill()
    const during = await alive((track) => {
      for (let seq = 1; seq <= 5000; seq++) scheduler.add([track(jobOf(seq, seq))])
    })
    expect(during).toBeLessThanOrEqual(33)
    answer({ jobs: Array.from({ length: 16 }, (_, i) => jobOf(i + 1, i + 1)), isCut: true })
    await settled()
    expect(scheduler.nextDue(0)).toBe(1)
  })

  test('a window of large jobs holds at most twice its weight, and one, however many arrive or are withdrawn', async () => {
    const large = (seq: number): Job => jobOf(seq, 1 + ((seq * 7919) % 1000), { args: 'x'.repeat(100) })
    const arriving = idle(2048, 1000)
    const arrived = await alive((track) => {
      for (let seq = 1; seq <= 2000; seq++) arriving.add([track(large(seq))])
    })
    expect(arrived).toBeLessThanOrEqual(21)
    expect(arriving.nextDue(0)).toBe(1)
    const withdrawing = idle(2048, 1000)
    withdrawing.add([jobOf(1, 1)])
    const withdrawn = await alive((track) => {
      for (let seq = 2; seq <= 2000; seq++) {
        withdrawing.add([track(large(seq))])
        withdrawing.withdraw({ seq, priority: 0 })
        withdrawing.forget({ seq, priority: 0 })
      }
    })
    expect(withdrawn).toBeLessThanOrEqual(11)
    expect(withdrawing.nextDue(0)).toBe(1)
  })

  test.each([null, 'suspect'] as const)(
    'of mark %s none that was withdrawn is kept until it would have been due',
    async (mark) => {
      const scheduler = idle(16)
      scheduler.add([jobOf(1, 1, { mark })])
      const count = await alive((track) => {
        for (let seq = 2; seq <= 5000; seq++) {
          scheduler.add([track(jobOf(seq, 1000 + seq, { mark }))])
          scheduler.withdraw({ seq, priority: 0 })
          scheduler.forget({ seq, priority: 0 })
        }
      })
      expect(count).toBeLessThanOrEqual(33)
      expect(scheduler.nextDue(0)).toBe(1)
    },
  )
})

describe('in the ring', () => {
  const DEFAULTS = { retryCount: 0, retryAfter: 0 }
  const places: { readonly folder: string; readonly store: SqliteStore; readonly rings: Ring[] }[] = []
  const WORKER: Worker = { number: 1, pid: 1, generation: 1, loaded: 1, isolated: false }

  afterEach(async () => {
    for (const { folder, store, rings } of places.splice(0)) {
      for (const ring of rings) ring.stop()
      await store.close()
      rmSync(folder, { recursive: true })
    }
  })

  const ringOn = async (clock: Clock, before: readonly NewJob[]) => {
    const folder = mkdtempSync(join(tmpdir(), 'ztask-scheduler-'))
    const store = new SqliteStore(join(folder, 'ztask.db'))
    const rings: Ring[] = []
    places.push({ folder, store, rings })
    await migrate(store)
    await store.commit({ insert: before, save: [], remove: [] })
    const handed: string[] = []
    const ring = new Ring({
      recall: () => {},
      ...{ store, clock, concurrency: 10, remember: 1000, boot: 1 },
      journal: new Journal(pino({ level: 'silent' }), 'ztask.db'),
      ...{ killGrace: 1000, hangTimeout: 60_000, lease: 15_000, register: async () => {} },
      send: (_, message) => {
        if (message.kind === 'jobs') handed.push(...message.jobs.map(([, id]) => id))
      },
      ...{
        isolate: () => {},
        relieve: () => {},
        retire: () => {},
        kill: () => {},
        hold: () => {},
        tell: () => {},
        tellProgress: () => {},
      },
    })
    rings.push(ring)
    ring.learn(1, [{ name: 'known', aliases: [], options: {} }], DEFAULTS)
    ring.admit(WORKER)
    ring.start()
    return { ring, handed, store }
  }

  const call = (id: string, task: string, due = 0): NewJob => newJobOf(id, { task, due })

  test('a window full of jobs whose tasks are gone does not keep those behind it waiting', async () => {
    const gone = Array.from({ length: 5000 }, (_, i) => call(`gone ${i}`, 'gone'))
    const clock = { now: () => 1, monotonic: () => 1 }
    const { handed, store } = await ringOn(clock, [...gone, call('good', 'known')])
    await vi.waitFor(() => expect(handed).toEqual(['good']), { timeout: 1000, interval: 5 })
    await vi.waitFor(async () => expect((await store.counts(1)).held).toBe(5000), { interval: 5 })
  })

  test('a job that becomes due between two looks at the clock is not forgotten', async () => {
    // Each look is a millisecond later, as it now and then is: the take comes too early, the alarm's look too late.
    let now = 0
    const clock = { now: () => now++, monotonic: () => 0 }
    const { ring, handed } = await ringOn(clock, [])
    await turn()
    for (let i = 0; i < 20; i++) {
      // Due in the very next milliseconds, whichever look that is.
      ring.insert([call(`job ${i}`, 'known', now + (i % 5))], () => {}, false)
      await vi.waitFor(() => expect(handed).toHaveLength(i + 1), { timeout: 500, interval: 5 })
      ring.hear(WORKER, { kind: 'ended', ended: [[2 ** 32 + i, { kind: 'succeeded' }]], worked: 0, begun: 0 })
      await ring.drained()
    }
  })

  test('a job that is held in the turn in which its task arrives goes on', async () => {
    const clock = { now: () => 1, monotonic: () => 1 }
    const { ring, handed } = await ringOn(clock, [call('early', 'coming')])
    await Promise.resolve()
    // The job was found unfit, and its hold waits for the next commit: the statement that frees held rows sees none.
    ring.learn(2, [{ name: 'coming', aliases: [], options: {} }], DEFAULTS)
    await ring.freeHeld()
    await vi.waitFor(() => expect(handed).toEqual(['early']), { timeout: 1000, interval: 5 })
  })

  test('a call that is stored as held in the turn in which its task arrives goes on', async () => {
    const clock = { now: () => 1, monotonic: () => 1 }
    const { ring, handed } = await ringOn(clock, [])
    ring.insert([{ ...call('early', 'coming'), state: 'held', reason: 'no such task' }], () => {}, false)
    ring.learn(1, [{ name: 'coming', aliases: [], options: {} }], DEFAULTS)
    await ring.freeHeld()
    await vi.waitFor(() => expect(handed).toEqual(['early']), { timeout: 1000, interval: 5 })
  })

  test('while the database fails, outcomes wait up to a bound; then nothing is handed out until it works again', async () => {
    const COUNT = 10_500
    const clock = { now: () => 1, monotonic: () => 1 }
    const jobs = Array.from({ length: COUNT }, (_, i) => call(`job ${i}`, 'known'))
    const { ring, handed, store } = await ringOn(clock, jobs)
    const full = Object.assign(new Error('database or disk is full'), { errcode: 13 })
    const failing = vi.spyOn(store, 'commit').mockRejectedValue(full)
    let ended = 0
    const work = async (): Promise<void> => {
      for (let idle = 0; idle < 50; idle++) {
        for (; ended < handed.length; ended++, idle = 0)
          ring.hear(WORKER, {
            kind: 'ended',
            ended: [[2 ** 32 + ended, { kind: 'succeeded' }]],
            worked: 0,
            begun: 0,
          })
        await turn()
      }
    }
    await work()
    // What it had been handed when the bound was reached ends as well.
    expect(handed.length).toBeGreaterThanOrEqual(10_000)
    expect(handed.length).toBeLessThan(10_100)
    expect((await store.counts(1)).waiting).toBe(COUNT)
    failing.mockRestore()
    await vi.waitFor(
      async () => {
        await work()
        expect(handed).toHaveLength(COUNT)
      },
      { timeout: 5000, interval: 20 },
    )
    expect(new Set(handed).size).toBe(COUNT)
  })

  test('a ring that was stopped hands nothing out and sets no alarm, whatever still ends', async () => {
    const clock = { now: () => 1, monotonic: () => 1 }
    const { ring, handed } = await ringOn(clock, [call('one', 'known')])
    await vi.waitFor(() => expect(handed).toEqual(['one']), { timeout: 1000, interval: 5 })
    ring.stop()
    ring.insert([call('two', 'known')], () => {}, false)
    ring.hear(WORKER, { kind: 'ended', ended: [[2 ** 32, { kind: 'succeeded' }]], worked: 0, begun: 0 })
    await ring.drained()
    expect(handed).toEqual(['one'])
  })
})
