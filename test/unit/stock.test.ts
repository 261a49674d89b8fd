import { expect, test } from 'vitest'
import { Stock } from '../../src/daemon/dispatcher/stock.ts'
import { MOST_STOCK } from '../../src/wire/ipc.ts'

/** A worker that ends `count` jobs every `ms`, `times` times. */
const worked = (count: number, ms: number, times: number, stock = new Stock()): Stock => {
  for (let i = 0; i < times; i++) stock.ended(count, ms)
  return stock
}

test('a worker that has shown nothing has none', () => {
  expect(new Stock().size).toBe(0)
  expect(worked(5, 0.1, 3).size).toBe(0)
})

test('it lasts for 4 ms of what the worker does', () => {
  // 20 jobs a ms, seen long enough.
  expect(worked(10, 0.5, 100).size).toBeGreaterThan(70)
  expect(worked(10, 0.5, 100).size).toBeLessThanOrEqual(80)
  expect(worked(1000, 1, 100).size).toBe(MOST_STOCK)
})

test('slow jobs have none, however many run at a time', () => {
  expect(worked(1, 8, 50).size).toBe(0)
  expect(worked(1, 1000, 50).size).toBe(0)
})

test('it follows: quick jobs that become slow lose theirs', () => {
  expect(worked(1, 20, 10, worked(10, 0.5, 100)).size).toBe(0)
})

test('where jobs had to be called back it begins anew', () => {
  const stock = worked(10, 0.5, 100)
  stock.tooLarge()
  expect(stock.size).toBe(0)
})

test('a worker that has many characters of arguments gets no stock until it has fewer', () => {
  const stock = worked(1000, 1, 100)
  for (let i = 0; i < 4; i++) stock.weigh(2 ** 20)
  expect(stock.size).toBe(MOST_STOCK)
  stock.weigh(100)
  expect(stock.size).toBe(0)
  stock.weigh(-(2 ** 20))
  expect(stock.size).toBe(MOST_STOCK)
})
