import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Dispatcher } from '../../src/daemon/dispatcher.ts'
import type { Job } from '../../src/model/job.ts'
import type { Run, Worker } from '../../src/model/run.ts'
import { jobOf } from '../harness/jobs.ts'

const workerOf = (number: number, generation = 1, isolated = false): Worker => ({
  ...{ number, pid: 100 + number, generation, loaded: 1, isolated },
})

interface Handed {
  readonly worker: number
  readonly run: number
  readonly id: string
}

/** A dispatcher over a plain list of jobs, with what it handed to whom. */
const over = (count: number, concurrency: number, more: { gone?: (job: Job) => boolean } = {}) => {
  const queue = Array.from({ length: count }, (_, i) => jobOf(i + 1))
  const handed: Handed[] = []
  const messages: number[] = []
  const held: string[] = []
  const started: Run[] = []
  const asked: number[] = []
  const dispatcher = new Dispatcher({
    clock: { now: () => 0, monotonic: () => 0 },
    concurrency,
    firstRun: 1000,
    take: (limit) => {
      asked.push(limit)
      return queue.splice(0, limit)
    },
    obstacle: (job) => (more.gone?.(job) ? 'the task is gone' : undefined),
    held: (job, reason) => held.push(`${job.id}: ${reason}`),
    takeSuspect: () => undefined,
    isSuspect: () => false,
    trial: () => {},
    back: () => {},
    asked: () => 0,
    expired: () => false,
    started: (run) => started.push(run),
    hand: (worker, _first, jobs) => {
      messages.push(worker.number)
      for (const [run, id] of jobs) handed.push({ worker: worker.number, run, id })
    },
  })
  return { dispatcher, queue, handed, messages, held, started, asked }
}

/** A worker that had begun all that it had is gone: what it had. None of these has a stock. */
const begunOn = (dispatcher: Dispatcher, worker: Worker): readonly Run[] => {
  dispatcher.begun(worker, Number.MAX_SAFE_INTEGER)
  const { begun, stock } = dispatcher.dismiss(worker)
  expect(stock).toEqual([])
  return begun
}

/** How many jobs each worker runs. */
const spread = (dispatcher: Dispatcher, ...workers: readonly Worker[]): number[] =>
  workers.map((worker) => dispatcher.runningOn(worker))

describe('the fence: only the worker that has a run ends it, once', () => {
  const one = workerOf(1)
  const two = workerOf(2)

  test('a report of a run that is over, of another worker, or of none, ends nothing', () => {
    const { dispatcher, handed, queue } = over(2, 1)
    dispatcher.admit(one)
    dispatcher.admit(two)
    dispatcher.dispatch()
    queue.push(jobOf(3))
    const [first, second] = handed as [Handed, Handed]
    expect(first.worker).toBe(1)
    expect(dispatcher.end(second.run, one)).toBeUndefined()
    expect(dispatcher.end(first.run, two)).toBeUndefined()
    expect(dispatcher.end(999, one)).toBeUndefined()
    expect(spread(dispatcher, one, two)).toEqual([1, 1])
    expect(dispatcher.end(first.run, one)).toMatchObject({ number: first.run, job: { id: 'job 1' } })
    expect(dispatcher.end(first.run, one)).toBeUndefined()
    expect([[...dispatcher.runs()].map(({ job }) => job).length, ...spread(dispatcher, one, two)]).toEqual([
      1, 0, 1,
    ])
  })

  test('a job that is handed out again is a run of another number, and the old number ends nothing', () => {
    const { dispatcher, handed, queue } = over(1, 1)
    dispatcher.admit(one)
    dispatcher.dispatch()
    expect(begunOn(dispatcher, one).map(({ job }) => job.id)).toEqual(['job 1'])
    queue.push(jobOf(1))
    dispatcher.admit(two)
    dispatcher.dispatch()
    expect(handed.map(({ run }) => run)).toEqual([1000, 1001])
    expect(dispatcher.end(1000, one)).toBeUndefined()
    expect(dispatcher.end(1000, two)).toBeUndefined()
    expect(dispatcher.end(1001, one)).toBeUndefined()
    expect(dispatcher.end(1001, two)).toMatchObject({ job: { id: 'job 1' } })
  })

  test('a worker that was dismissed gives back exactly what it ran, and once', () => {
    const { dispatcher, handed } = over(5, 3)
    dispatcher.admit(one)
    dispatcher.admit(two)
    dispatcher.dispatch()
    const mine = handed.filter(({ worker }) => worker === 1)
    const [ended, ...cut] = mine as [Handed, ...Handed[]]
    dispatcher.end(ended.run, one)
    expect(begunOn(dispatcher, one).map(({ number }) => number)).toEqual(cut.map(({ run }) => run))
    expect(begunOn(dispatcher, one)).toEqual([])
    expect(begunOn(dispatcher, workerOf(77))).toEqual([])
    expect([...dispatcher.runs()].map(({ job }) => job).map(({ id }) => id)).toEqual(
      handed.filter(({ worker }) => worker === 2).map(({ id }) => id),
    )
  })
})

describe('room', () => {
  test('jobs go evenly to the workers, one message each', () => {
    const { dispatcher, messages } = over(8, 10)
    const workers = [1, 2, 3, 4].map((number) => workerOf(number))
    for (const worker of workers) dispatcher.admit(worker)
    dispatcher.dispatch()
    expect(spread(dispatcher, ...workers)).toEqual([2, 2, 2, 2])
    expect(messages).toEqual([1, 2, 3, 4])
  })

  test('a worker that has less to do gets the next', () => {
    const { dispatcher, handed, queue } = over(4, 4)
    const [one, two] = [workerOf(1), workerOf(2)]
    dispatcher.admit(one)
    dispatcher.dispatch()
    dispatcher.admit(two)
    queue.push(jobOf(5), jobOf(6))
    dispatcher.dispatch()
    expect(handed.slice(4).map(({ worker }) => worker)).toEqual([2, 2])
  })

  test('asks for no more than there is room for, and not at all where there is none', () => {
    const { dispatcher, asked, handed, queue } = over(10, 3)
    dispatcher.dispatch()
    expect(asked).toEqual([])
    dispatcher.admit(workerOf(1))
    dispatcher.dispatch()
    dispatcher.dispatch()
    expect(asked).toEqual([3])
    expect([handed.length, queue.length]).toEqual([3, 7])
  })

  test('jobs that the code cannot run are held, take no room, and do not stop those behind them', () => {
    const { dispatcher, handed, held, started } = over(9, 2, { gone: ({ seq }) => seq % 4 !== 0 })
    dispatcher.admit(workerOf(1))
    dispatcher.dispatch()
    expect(handed.map(({ id }) => id)).toEqual(['job 4', 'job 8'])
    expect(started.map(({ job }) => job.seq)).toEqual([4, 8])
    expect(held).toEqual([1, 2, 3, 5, 6, 7].map((seq) => `job ${seq}: the task is gone`))
  })
})

describe('a stock', () => {
  const one = workerOf(1)
  const large = (seq: number): Job => ({ ...jobOf(seq), args: 'x'.repeat(2 ** 20) })

  test('of large jobs is no stock: beyond 4 MiB a worker gets what it can begin, until some have ended', () => {
    const { dispatcher, handed, queue } = over(0, 2)
    dispatcher.admit(one)
    for (let i = 0; i < 20; i++) dispatcher.reported(one, 1000, 10)
    const dispatched = (count: number): number => {
      const before = handed.length
      for (let i = 0; i < count; i++) {
        queue.push(large(handed.length + 1))
        dispatcher.dispatch()
      }
      return handed.length - before
    }
    // The fifth goes beyond it.
    expect(dispatched(5)).toBe(5)
    expect(dispatched(5)).toBe(0)
    for (const { run } of handed.slice(0, 4)) dispatcher.end(run, one)
    expect(dispatched(1)).toBeGreaterThan(0)
  })
})

test('a worker that left jobs untouched is handed none until it can begin some, whoever has more to do', () => {
  const { dispatcher, handed, queue } = over(0, 10)
  const [one, two] = [workerOf(1), workerOf(2)]
  dispatcher.admit(one)
  dispatcher.admit(two)
  dispatcher.stuck(one)
  const next = (count: number): number[] => {
    for (let i = 0; i < count; i++) queue.push(jobOf(i + 1))
    dispatcher.dispatch()
    return handed.splice(0).map(({ worker }) => worker)
  }
  expect(next(3)).toEqual([2, 2, 2])
  expect(next(20)).toEqual([2, 2, 2, 2, 2, 2, 2])
  expect(dispatcher.turned(one)).toBe(true)
  expect(dispatcher.turned(one)).toBe(false)
  expect(next(0)).toEqual(new Array(10).fill(1))
})

describe('generations', () => {
  const old = workerOf(1, 1)
  const young = workerOf(2, 2)

  test('a new one takes over: the old one ends what it runs and gets no more', () => {
    const { dispatcher, handed, queue } = over(1, 2)
    dispatcher.admit(old)
    dispatcher.dispatch()
    dispatcher.admit(young)
    queue.push(jobOf(2), jobOf(3), jobOf(4))
    dispatcher.dispatch()
    expect(handed.map(({ worker }) => worker)).toEqual([1, 2, 2])
    expect(dispatcher.end(1000, old)).toBeDefined()
    dispatcher.dispatch()
    expect(handed).toHaveLength(3)
    expect(begunOn(dispatcher, old)).toEqual([])
  })

  test('workers of one generation stand beside each other', () => {
    const { dispatcher, handed } = over(4, 2)
    dispatcher.admit(workerOf(1, 2))
    dispatcher.admit(workerOf(2, 2))
    dispatcher.dispatch()
    expect(handed.map(({ worker }) => worker).sort()).toEqual([1, 1, 2, 2])
  })

  test('a worker of an old one that is ready only after the new one took over gets no job', () => {
    // One that died was being replaced as the code was renewed.
    const { dispatcher, handed } = over(4, 2)
    dispatcher.admit(young)
    dispatcher.admit(old)
    dispatcher.dispatch()
    expect(handed.map(({ worker }) => worker)).toEqual([2, 2])
  })
})

test('whatever comes and goes: no worker has too much, no run has two endings, no job is lost', () => {
  const step = fc.record({
    kind: fc.constantFrom('admit', 'dismiss', 'end', 'end wrongly', 'dispatch', 'dispatch', 'push'),
    pick: fc.nat(100),
  })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 80 }), (concurrency, steps) => {
      const { dispatcher, queue, handed } = over(0, concurrency)
      const workers: Worker[] = []
      /** By run: who has it. */
      const runs = new Map<number, Worker>()
      let pushed = 0
      let ended = 0
      let seen = 0
      for (const { kind, pick } of steps) {
        const worker = workers[pick % workers.length]
        if (kind === 'push') for (let i = 0; i <= pick % 5; i++) queue.push(jobOf(++pushed))
        if (kind === 'admit') {
          const next = workerOf(workers.length + 1, 1 + (pick % 3 === 0 ? workers.length : 0))
          const newest = Math.max(1, ...workers.map(({ generation }) => generation))
          const admitted = { ...next, generation: Math.max(newest, next.generation) }
          workers.push(admitted)
          dispatcher.admit(admitted)
        }
        if (kind === 'dispatch') dispatcher.dispatch()
        if (kind === 'dismiss' && worker !== undefined) {
          const cut = begunOn(dispatcher, worker)
          const mine = [...runs].filter(([, one]) => one === worker).map(([run]) => run)
          expect(cut.map(({ number }) => number)).toEqual(mine)
          for (const run of mine) runs.delete(run)
          queue.push(...cut.map(({ job }) => job))
        }
        const [run, owner] = [...runs][pick % Math.max(1, runs.size)] ?? []
        if (kind === 'end' && run !== undefined && owner !== undefined) {
          expect(dispatcher.end(run, owner)).toMatchObject({ number: run })
          runs.delete(run)
          ended++
        }
        if (kind === 'end wrongly' && run !== undefined && worker !== undefined && worker !== owner)
          expect(dispatcher.end(run, worker)).toBeUndefined()
        for (const { run, worker: number } of handed.slice(seen)) {
          expect(runs.has(run)).toBe(false)
          const to = workers[number - 1] as Worker
          expect(to.generation).toBe(workers.at(-1)?.generation)
          runs.set(run, to)
        }
        seen = handed.length
        for (const one of workers) expect(dispatcher.runningOn(one)).toBeLessThanOrEqual(concurrency)
        expect([...dispatcher.runs()].map(({ job }) => job).length).toBe(runs.size)
        expect(queue.length + runs.size + ended).toBe(pushed)
      }
      expect(new Set(handed.map(({ run }) => run)).size).toBe(handed.length)
    }),
    { numRuns: 300 },
  )
})
