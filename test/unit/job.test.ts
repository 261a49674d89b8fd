import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byTurn, JOB_STATES, type Job, type JobEvent, settle, stateOf } from '../../src/model/job.ts'
import { nextAttempt } from '../../src/model/retry.ts'
import { pauseAfter, type RetryPause } from '../../src/model/run-options.ts'
import { jobOf } from '../harness/jobs.ts'

const FAILURE = { name: 'Error', message: 'no', stack: 'Error: no' }

const fresh = jobOf(1, { id: 'a' })

const policy = fc.record({ retryCount: fc.nat(4), retryAfter: fc.double({ min: 0, max: 100, noNaN: true }) })

/** What may befall a job; a run's ending only while it is queued, since nothing else runs. */
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom('succeeded', 'threw', 'threw', 'threw', 'released', 'held', 'freed', 'retried'),
    /** Milliseconds that pass before it, or beyond the due time where it is a run's ending. */
    wait: fc.nat(10_000),
  }),
  { maxLength: 30 },
)

const ENDINGS: readonly string[] = ['succeeded', 'threw', 'released', 'held']

const eventOf = (kind: string, given: { retryCount: number; retryAfter: number }): JobEvent => {
  if (kind === 'threw') return { kind, failure: FAILURE, policy: given }
  return kind === 'held' ? { kind, reason: 'no such task' } : ({ kind } as JobEvent)
}

/** The job as plain as it gets: which of four it is, how many charged runs it had, and when it is due. */
interface Model {
  is: 'queued' | 'held' | 'failed' | 'gone'
  attempts: number
  due: number
}

const follow = (
  model: Model,
  kind: string,
  now: number,
  retry: { retryCount: number; retryAfter: number },
) => {
  if (kind === 'succeeded') model.is = 'gone'
  if (kind === 'held') model.is = 'held'
  if (kind === 'freed' && model.is === 'held') model.is = 'queued'
  if (kind === 'retried' && model.is === 'failed')
    Object.assign(model, { is: 'queued', attempts: 0, due: now })
  if (kind === 'threw' && ++model.attempts === retry.retryCount + 1) model.is = 'failed'
  else if (kind === 'threw') model.due = now + Math.round(retry.retryAfter * 1000)
}

/** What must hold of a job, whatever befell it. */
const expectSound = (job: Job, most: number): void => {
  expect(job.attempts).toBeLessThanOrEqual(most)
  // B19: an error in the past is no failure of today.
  expect(job.failedAt !== null).toBe(job.state === 'failed')
  expect(job.reason !== null).toBe(job.state === 'held')
  if (job.state === 'failed') expect(job.failure).toEqual(FAILURE)
  expect(Number.isInteger(job.due)).toBe(true)
}

describe('settle', () => {
  test('follows a plain model through any life', () => {
    fc.assert(
      fc.property(policy, steps, (retry, life) => {
        let job = fresh
        let now = 0
        const model: Model = { is: 'queued', attempts: 0, due: 0 }
        for (const { kind, wait } of life) {
          if (ENDINGS.includes(kind) && job.state !== 'queued') continue
          now = (ENDINGS.includes(kind) ? Math.max(now, job.due) : now) + wait
          const before = structuredClone(job)
          const next = settle(job, eventOf(kind, retry), now)
          expect(job).toEqual(before)
          follow(model, kind, now, retry)
          // Only success ends it: nothing else makes a job go.
          expect(next === undefined).toBe(model.is === 'gone')
          if (next === undefined) return
          expect({ is: next.state, attempts: next.attempts, due: next.due }).toEqual(model)
          expectSound(next, retry.retryCount + 1)
          const { id, task, args, seq, created } = next
          expect({ id, task, args, seq, created }).toEqual({
            id: 'a',
            task: 't',
            args: '[]',
            seq: 1,
            created: 0,
          })
          if (kind === 'threw' && next.state === 'queued') expect(next.due).toBeGreaterThanOrEqual(job.due)
          job = next
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('a released run changes nothing: it is the same job', () => {
    const job = { ...fresh, attempts: 2, failure: FAILURE }
    expect(settle(job, { kind: 'released' }, 99)).toBe(job)
  })

  test('retryCount retries are retryCount + 1 runs, then failed, since when is kept', () => {
    const retry = { retryCount: 2, retryAfter: 1.5 }
    const once = settle(fresh, { kind: 'threw', failure: FAILURE, policy: retry }, 100)
    expect(once).toEqual({
      ...{ ...fresh, attempts: 1, failure: FAILURE, due: 1600 },
      failures: [{ at: 100, failure: FAILURE }],
    })
    const twice = settle(once as Job, { kind: 'threw', failure: FAILURE, policy: retry }, 2000)
    expect(twice).toMatchObject({
      attempts: 2,
      state: 'queued',
      due: 3500,
      failedAt: null,
    })
    const thrice = settle(twice as Job, { kind: 'threw', failure: FAILURE, policy: retry }, 4000)
    expect(thrice).toMatchObject({ attempts: 3, state: 'failed', failedAt: 4000 })
    expect(thrice?.failures.map(({ at }) => at)).toEqual([100, 2000, 4000])
  })

  test('of many failures the latest ten are kept', () => {
    const often = { retryCount: 100, retryAfter: 0 }
    let job = fresh
    for (let at = 1; at <= 25; at++)
      job = settle(job, { kind: 'threw', failure: FAILURE, policy: often }, at) as Job
    expect(job.failures.map(({ at }) => at)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25])
  })

  test('a run that lasts is marked; one that is cut is not, but where it is suspect', () => {
    const started = settle(fresh, { kind: 'started' }, 0) as Job
    expect(started.mark).toBe('started')
    expect(settle(started, { kind: 'released' }, 0)).toEqual(fresh)
    expect(settle(fresh, { kind: 'released' }, 0)).toBe(fresh)
    const suspect = settle(started, { kind: 'suspected' }, 0) as Job
    const trial = settle(suspect, { kind: 'started' }, 0) as Job
    expect([suspect.mark, trial.mark]).toEqual(['suspect', 'trial'])
    expect(settle(trial, { kind: 'released' }, 0)).toEqual(suspect)
    expect(suspect.attempts).toBe(0)
  })

  test('what died alone is charged, and has no neighbours at its retry; what threw has', () => {
    const retry = { retryCount: 1, retryAfter: 0 }
    const trial: Job = { ...fresh, mark: 'trial' }
    const died = settle(trial, { kind: 'died', failure: FAILURE, policy: retry }, 5) as Job
    expect(died).toMatchObject({ attempts: 1, state: 'queued', mark: 'suspect' })
    expect(settle(died, { kind: 'died', failure: FAILURE, policy: retry }, 5)).toMatchObject({
      ...{ attempts: 2, state: 'failed', mark: null },
    })
    expect(settle(trial, { kind: 'threw', failure: FAILURE, policy: retry }, 5)).toMatchObject({
      ...{ attempts: 1, state: 'queued', mark: null },
    })
  })

  test('what is cancelled is gone however its run ends', () => {
    const cancelled = settle({ ...fresh, mark: 'trial' }, { kind: 'cancelled' }, 0) as Job
    expect(cancelled.mark).toBe('cancelled')
    const policy = { retryCount: 5, retryAfter: 0 }
    for (const kind of ['succeeded', 'released', 'suspected'] as const)
      expect(settle(cancelled, { kind }, 0)).toBeUndefined()
    for (const kind of ['threw', 'died'] as const)
      expect(settle(cancelled, { kind, failure: FAILURE, policy }, 0)).toBeUndefined()
    expect(settle(cancelled, { kind: 'held', reason: 'no code' }, 0)).toBeUndefined()
    expect(settle(cancelled, { kind: 'started' }, 0)).toBe(cancelled)
  })

  test('a failed job that is retried has all its attempts again, and its last error still', () => {
    const failed: Job = { ...fresh, state: 'failed', attempts: 3, failure: FAILURE, failedAt: 7 }
    expect(settle(failed, { kind: 'retried' }, 50)).toEqual({ ...fresh, due: 50, failure: FAILURE })
  })

  test('what a task returned is kept for whoever waits, and for as long as it is to be', () => {
    const succeeded = (awaited: number | null, keep?: number) =>
      settle(
        { ...fresh, awaited, mark: 'started' },
        { kind: 'succeeded', result: '[1]', ...(keep && { keep }) },
        100,
      )
    // Somebody wanted it, or it were not here: a while it stays, whatever the clock says.
    expect(succeeded(null)).toMatchObject({
      state: 'done',
      result: '[1]',
      expires: 5100,
      kept: null,
      mark: null,
    })
    expect(succeeded(9000)).toMatchObject({ expires: 9000, kept: null })
    expect(succeeded(9000, 7000)).toMatchObject({ expires: 9000, kept: 7100 })
    expect(succeeded(null, 7000)).toMatchObject({ expires: 7100, kept: 7100 })
    expect(settle({ ...fresh, awaited: 150 }, { kind: 'succeeded' }, 100)).toBeUndefined()
  })

  test('a task may decide: no more runs, or another that costs nothing; a job may come too late', () => {
    const policy = { retryCount: 5, retryAfter: 0, keepFailed: 2 }
    expect(settle(fresh, { kind: 'threw', failure: FAILURE, policy, final: true }, 100)).toMatchObject({
      ...{ state: 'failed', attempts: 1, failedAt: 100, expires: 2100 },
    })
    expect(settle({ ...fresh, mark: 'started' }, { kind: 'postponed', seconds: 1.5 }, 100)).toEqual({
      ...fresh,
      due: 1600,
    })
    const expired = settle(fresh, { kind: 'expired', failure: FAILURE }, 100) as Job
    expect(expired).toMatchObject({ state: 'failed', attempts: 0, failure: FAILURE, expires: null })
    // Who still waits is told, though this daemon may die before.
    const awaited = settle({ ...fresh, awaited: 5000 }, { kind: 'expired', failure: FAILURE, keep: 1 }, 100)
    expect(awaited?.expires).toBe(5000)
    const kept = settle(fresh, { kind: 'expired', failure: FAILURE, keep: 1 }, 100) as Job
    expect(kept.expires).toBe(1100)
    expect(settle(kept, { kind: 'retried' }, 200)).toMatchObject({ state: 'queued', expires: null })
  })

  test('a job that has begun in time is too late no more, whatever becomes of it', () => {
    const policy = { retryCount: 1, retryAfter: 0 }
    const timely: Job = { ...fresh, options: { timeout: 5, expiresAt: 50 } }
    for (const event of [
      { kind: 'started' },
      { kind: 'suspected' },
      { kind: 'released', begun: true },
      { kind: 'postponed', seconds: 1 },
      { kind: 'threw', failure: FAILURE, policy },
      { kind: 'died', failure: FAILURE, policy },
    ] satisfies JobEvent[])
      expect(settle(timely, event, 100)?.options).toEqual({ timeout: 5 })
    expect(settle(timely, { kind: 'released', begun: false }, 100)).toBe(timely)
    const failed: Job = { ...fresh, state: 'failed', options: { expiresAt: 50 } }
    expect(settle(failed, { kind: 'retried' }, 100)).toMatchObject({ state: 'queued', options: null })
  })

  test('only the held are freed, only the failed retried', () => {
    expect(settle(fresh, { kind: 'freed' }, 5)).toBe(fresh)
    expect(settle(fresh, { kind: 'retried' }, 5)).toBe(fresh)
    const held: Job = { ...fresh, state: 'held', reason: 'why' }
    expect(settle(held, { kind: 'retried' }, 5)).toBe(held)
    expect(settle(held, { kind: 'freed' }, 5)).toEqual(fresh)
  })
})

test.each<[RetryPause, number[]]>([
  [5, [5, 5, 5, 5]],
  [
    [1, 10],
    [1, 10, 10, 10],
  ],
  [{ backoff: 'exponential', first: 2, most: 10 }, [2, 4, 8, 10]],
  [{ backoff: 'exponential', first: 50_000 }, [50_000, 86_400, 86_400, 86_400]],
])('pauses of %j: %j', (pause, expected) => {
  expect([1, 2, 3, 4].map((attempts) => pauseAfter(pause, attempts, 0.5))).toEqual(expected)
})

test('jitter makes a pause longer or shorter by at most that part', () => {
  const pause = { backoff: 'exponential', first: 10, jitter: 0.2 } as const
  expect([0, 0.5, 1].map((random) => pauseAfter(pause, 1, random))).toEqual([8, 10, 12])
  // Never longer than the longest, nor no number, however often.
  expect(pauseAfter({ ...pause, most: 10 }, 5, 1)).toBe(10)
  expect(pauseAfter({ ...pause, first: 0 }, 5000, 1)).toBe(0)
  expect(pauseAfter({ ...pause, most: 10 }, 5000, 0.5)).toBe(10)
})

describe('nextAttempt', () => {
  test.each([
    [1, 0, undefined],
    [1, 1, 1500],
    [2, 1, undefined],
    [5, 5, 1500],
    [6, 5, undefined],
  ])('after %i charged runs with %i retries: %s', (attempts, retryCount, due) => {
    expect(nextAttempt(attempts, { retryCount, retryAfter: 0.5 }, 1000)).toBe(due)
  })

  test('is a whole millisecond', () => {
    expect(nextAttempt(1, { retryCount: 1, retryAfter: 0.0004 }, 10)).toBe(10)
    expect(nextAttempt(1, { retryCount: 1, retryAfter: 1 / 3 }, 0)).toBe(333)
  })
})

describe('stateOf', () => {
  test('gives one of five, so that the counts add up', () => {
    const jobs = fc.array(
      fc.record({
        state: fc.constantFrom('queued' as const, 'held' as const, 'failed' as const),
        due: fc.nat(10),
        running: fc.boolean(),
      }),
    )
    fc.assert(
      fc.property(jobs, fc.nat(10), (list, now) => {
        const counts = Object.fromEntries(JOB_STATES.map((state) => [state, 0]))
        for (const { running, ...job } of list) {
          const state = stateOf({ ...fresh, ...job }, running, now)
          counts[state] = (counts[state] ?? 0) + 1
        }
        expect(Object.keys(counts)).toHaveLength(5)
        expect(Object.values(counts).reduce((sum, n) => sum + n, 0)).toBe(list.length)
        expect(counts.running).toBe(list.filter(({ running }) => running).length)
        const queued = list.filter(({ running, state }) => !running && state === 'queued')
        expect(counts.waiting).toBe(queued.filter(({ due }) => due <= now).length)
        expect(counts.scheduled).toBe(queued.filter(({ due }) => due > now).length)
      }),
    )
  })

  test('a job is waiting from the very millisecond it is due', () => {
    const job = { ...fresh, due: 10 }
    expect([9, 10, 11].map((now) => stateOf(job, false, now))).toEqual(['scheduled', 'waiting', 'waiting'])
  })
})

test('byTurn: due, then arrival', () => {
  const of = (due: number, seq: number): Job => ({ ...fresh, due, seq })
  const jobs = [of(2, 1), of(1, 3), of(1, 2), of(0, 9)]
  expect(jobs.sort(byTurn).map(({ due, seq }) => [due, seq])).toEqual([
    [0, 9],
    [1, 2],
    [1, 3],
    [2, 1],
  ])
})
