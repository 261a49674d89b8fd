import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Alarm, type Clock, systemClock, watchJumps } from '../../src/clock.ts'

const HOUR = 3_600_000

/** The fake clock of vitest, whose date can be moved on its own: `moved` is by how much it was. */
let moved = 0
const clock: Clock = { now: () => Date.now() + moved, monotonic: () => performance.now() }

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000 })
  moved = 0
})

afterEach(() => {
  vi.useRealTimers()
})

test('the system’s clock: a date, and milliseconds that only grow', () => {
  vi.useRealTimers()
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000)
  const before = systemClock.monotonic()
  expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before)
})

describe('an alarm', () => {
  const ring = vi.fn()
  let alarm: Alarm

  beforeEach(() => {
    ring.mockReset()
    alarm = new Alarm(clock, ring)
  })

  afterEach(() => {
    alarm.stop()
  })

  test('rings when it is due, and once', () => {
    alarm.set(clock.now() + 5000)
    vi.advanceTimersByTime(4999)
    expect(ring).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(ring).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(10 * HOUR)
    expect(ring).toHaveBeenCalledTimes(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('that is set for the past rings at once, though not within the call', () => {
    alarm.set(clock.now() - 1)
    expect(ring).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  test.each([
    ['25 days, where setTimeout would fire at once', 25 * 24 * HOUR],
    ['the last of all dates', 8.64e15 - 1_700_000_000_000],
  ])('sleeps an hour at most: %s', (_, ahead) => {
    const timer = vi.spyOn(globalThis, 'setTimeout')
    alarm.set(clock.now() + ahead)
    expect(timer.mock.calls.map(([, sleep]) => sleep)).toEqual([HOUR])
    timer.mockRestore()
    vi.advanceTimersByTime(HOUR - 1)
    expect(ring).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(ring).toHaveBeenCalledTimes(1)
  })

  test('that is set again each time it rings comes to its time, to the millisecond', () => {
    const due = clock.now() + 3.5 * HOUR
    const rang: number[] = []
    ring.mockImplementation(() => {
      rang.push(clock.now() - due)
      if (clock.now() < due) alarm.set(due)
    })
    alarm.set(due)
    vi.advanceTimersByTime(10 * HOUR)
    expect(rang).toEqual([-2.5 * HOUR, -1.5 * HOUR, -0.5 * HOUR, 0])
  })

  test('has one time: a nearer or a later one takes the place of the last', () => {
    alarm.set(clock.now() + 5000)
    alarm.set(clock.now() + 1000)
    vi.advanceTimersByTime(1000)
    expect(ring).toHaveBeenCalledTimes(1)
    alarm.set(clock.now() + 1000)
    alarm.set(clock.now() + 3000)
    vi.advanceTimersByTime(2999)
    expect(ring).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(1)
    expect(ring).toHaveBeenCalledTimes(2)
  })

  test('is silenced by undefined, and by stop', () => {
    alarm.set(clock.now() + 1000)
    alarm.set(undefined)
    expect(vi.getTimerCount()).toBe(0)
    alarm.set(clock.now() + 1000)
    alarm.stop()
    vi.advanceTimersByTime(HOUR)
    expect(ring).not.toHaveBeenCalled()
  })

  test('that is set to the time it has keeps its timer: a pump a job makes no timer a job', () => {
    const timer = vi.spyOn(globalThis, 'setTimeout')
    const due = clock.now() + 1000
    for (let i = 0; i < 100; i++) alarm.set(due)
    expect(timer).toHaveBeenCalledTimes(1)
    timer.mockRestore()
    vi.advanceTimersByTime(1000)
    // Having rung it can be set to the same time again.
    alarm.set(due)
    vi.advanceTimersByTime(1)
    expect(ring).toHaveBeenCalledTimes(2)
  })
})

describe('watchJumps', () => {
  const jumped = vi.fn()
  let stop = (): void => {}

  beforeEach(() => {
    jumped.mockReset()
    stop = watchJumps(clock, jumped)
  })

  afterEach(() => {
    stop()
  })

  test('is silent while date and monotonic clock go together', () => {
    vi.advanceTimersByTime(HOUR)
    expect(jumped).not.toHaveBeenCalled()
  })

  test.each([HOUR, -HOUR, 200, -200])('a jump by %i ms is noticed within a second, and once', (by) => {
    vi.advanceTimersByTime(10_500)
    moved += by
    vi.advanceTimersByTime(500)
    expect(jumped.mock.calls).toEqual([[by]])
    vi.advanceTimersByTime(HOUR)
    expect(jumped).toHaveBeenCalledTimes(1)
  })

  test('there and back are two', () => {
    moved += 5000
    vi.advanceTimersByTime(1000)
    moved -= 5000
    vi.advanceTimersByTime(1000)
    expect(jumped.mock.calls).toEqual([[5000], [-5000]])
  })

  test('jitter below 200 ms is no jump; what adds up to one is', () => {
    for (const jitter of [199, -199, 100, -100]) {
      moved = jitter
      vi.advanceTimersByTime(1000)
    }
    expect(jumped).not.toHaveBeenCalled()
    for (let i = 0; i < 5; i++) {
      moved = 50 * i
      vi.advanceTimersByTime(1000)
    }
    expect(jumped.mock.calls).toEqual([[200]])
  })

  test('ends when it is stopped', () => {
    stop()
    moved += HOUR
    vi.advanceTimersByTime(HOUR)
    expect(jumped).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('does not keep a process alive', () => {
    const interval = vi.spyOn(globalThis, 'setInterval')
    const stopThis = watchJumps(clock, jumped)
    const timers = interval.mock.results.map(({ value }) => value as NodeJS.Timeout)
    expect(timers.map((timer) => timer.hasRef())).toEqual([false])
    interval.mockRestore()
    stopThis()
  })

  test('and an alarm for a date that a jump brings near can be set anew', () => {
    const ring = vi.fn()
    const alarm = new Alarm(clock, ring)
    const due = clock.now() + HOUR
    stop()
    stop = watchJumps(clock, () => {
      alarm.stop()
      alarm.set(due)
    })
    alarm.set(due)
    moved += HOUR
    vi.advanceTimersByTime(1001)
    expect(ring).toHaveBeenCalledTimes(1)
    alarm.stop()
  })
})
