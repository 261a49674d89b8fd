import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Refusals } from '../../src/daemon/refusals.ts'
import type { RefusalReport } from '../../src/model/refusal.ts'

let told: RefusalReport[]
let refusals: Refusals
const lines = () => told.map(({ fresh, latest, counts }) => [fresh, latest.message, counts.total])

beforeEach(() => {
  vi.useFakeTimers()
  told = []
  refusals = new Refusals((report) => told.push(report))
})
afterEach(() => {
  vi.useRealTimers()
})

test('the first is told at once, what follows within the second together at its end', () => {
  refusals.add('version', new Error('a'))
  expect(lines()).toEqual([[1, 'a', 1]])
  for (let i = 0; i < 10_000; i++) refusals.add('malformed', new Error(`b${i}`))
  vi.advanceTimersByTime(999)
  expect(told).toHaveLength(1)
  vi.advanceTimersByTime(1)
  expect(lines()[1]).toEqual([10_000, 'b9999', 10_001])
  refusals.add('task', new Error('c'))
  expect(told).toHaveLength(2)
  vi.advanceTimersByTime(1000)
  expect(lines()[2]).toEqual([1, 'c', 10_002])
})

test('after a quiet second the next is told at once, and no timer is left meanwhile', () => {
  refusals.add('project', new Error('a'))
  vi.advanceTimersByTime(1000)
  expect(vi.getTimerCount()).toBe(0)
  refusals.add('project', new Error('b'))
  expect(lines()).toEqual([
    [1, 'a', 1],
    [1, 'b', 2],
  ])
})

test('an hour of them is at most a line a second, and each is counted', () => {
  for (let second = 0; second < 3600; second++) {
    for (let i = 0; i < 5; i++) refusals.add('malformed', new Error('flood'))
    vi.advanceTimersByTime(1000)
  }
  expect(told.length).toBeLessThanOrEqual(3601)
  expect(told.reduce((sum, { fresh }) => sum + fresh, 0)).toBe(18_000)
  expect(refusals.counts).toMatchObject({ total: 18_000, malformed: 18_000, version: 0 })
})

test('what has not been told is told at the stop, once, and no timer is left', () => {
  refusals.add('payload', new Error('a'))
  refusals.add('handshake', new Error('b'))
  refusals.stop()
  refusals.stop()
  expect(lines()).toEqual([
    [1, 'a', 1],
    [1, 'b', 2],
  ])
  expect(vi.getTimerCount()).toBe(0)
  expect(refusals.counts).toEqual({
    ...{ total: 2, handshake: 1, key: 0, payload: 1, malformed: 0, version: 0, project: 0, task: 0 },
  })
})

test('of each reason the latest is told: whatever follows a wrong key, its address is told too', () => {
  refusals.add('handshake', new Error('first'))
  refusals.add('key', new Error('who it was'))
  refusals.add('handshake', new Error('nobody'))
  refusals.add('malformed', new Error('nonsense'))
  refusals.add('handshake', new Error('nobody again'))
  vi.advanceTimersByTime(999)
  expect(told).toHaveLength(1)
  vi.advanceTimersByTime(1)
  expect(lines()).toEqual([
    [1, 'first', 1],
    [1, 'who it was', 5],
    [2, 'nobody again', 5],
    [1, 'nonsense', 5],
  ])
  vi.advanceTimersByTime(1000)
  expect(told).toHaveLength(4)
  expect(vi.getTimerCount()).toBe(0)
})
