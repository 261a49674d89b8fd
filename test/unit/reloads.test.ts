/** When a reload is begun, given up, and told. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Reloads, type ReloadsOptions } from '../../src/daemon/reload/reloads.ts'

interface Renewal {
  readonly files: readonly string[]
  readonly asked: boolean
  readonly signal: AbortSignal
  readonly done: () => void
  readonly fail: (error: Error) => void
}

let renewals: Renewal[]
let failed: string[]
let reloads: Reloads

const optionsOf = (): Pick<ReloadsOptions, 'renew' | 'failed'> => ({
  renew: (files, asked, signal) => {
    const { promise, resolve: done, reject: fail } = Promise.withResolvers<void>()
    renewals.push({ files, asked, signal, done, fail })
    signal.addEventListener('abort', () => fail(signal.reason))
    return promise
  },
  failed: (error) => failed.push(error.message),
})

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  renewals = []
  failed = []
  reloads = new Reloads({ settle: 30, ...optionsOf() })
})

afterEach(() => {
  vi.useRealTimers()
})

const pass = async (ms: number): Promise<void> => {
  await vi.advanceTimersByTimeAsync(ms)
  await turn()
}

const filesOf = (): (readonly string[])[] => renewals.map(({ files }) => files)

test('what comes within the pause is one reload; each event begins the pause anew', async () => {
  reloads.notice('a')
  await pass(20)
  reloads.notice('b')
  await pass(20)
  expect(renewals).toEqual([])
  await pass(10)
  expect(filesOf()).toEqual([['a', 'b']])
  expect(renewals[0]?.asked).toBe(false)
  renewals[0]?.done()
  await pass(1000)
  expect(renewals).toHaveLength(1)
})

test('for many files the pause is longer: a checkout stops in between', async () => {
  for (let i = 0; i < 20; i++) reloads.notice(`file ${i}`)
  await pass(149)
  expect(renewals).toEqual([])
  await pass(1)
  expect(filesOf().map((files) => files.length)).toEqual([20])
})

test('a change gives up what is under way: the next is for both, and nobody hears of a failure', async () => {
  reloads.notice('a')
  await pass(30)
  reloads.notice('b')
  expect(renewals[0]?.signal.aborted).toBe(false)
  await pass(30)
  expect(renewals[0]?.signal.aborted).toBe(true)
  expect(filesOf()).toEqual([['a'], ['b', 'a']])
  renewals[1]?.done()
  await pass(100)
  expect([failed, renewals.length]).toEqual([[], 2])
})

test('one that had ended before it could be given up counts, and the next is for what came', async () => {
  reloads.notice('a')
  await pass(30)
  reloads.notice('b')
  renewals[0]?.done()
  await pass(0)
  // What belongs to it may still come.
  reloads.notice('c')
  await pass(29)
  expect(filesOf()).toEqual([['a']])
  await pass(1)
  expect(filesOf()).toEqual([['a'], ['b', 'c']])
  renewals[1]?.done()
  await pass(1000)
  expect(renewals).toHaveLength(2)
})

test('one that fails while more is coming is not told: it may have lacked that', async () => {
  const asked = reloads.now()
  await pass(0)
  reloads.notice('a')
  renewals[0]?.fail(new Error('half'))
  await pass(30)
  expect(failed).toEqual([])
  expect(renewals).toMatchObject([{ files: [] }, { files: ['a'], asked: true }])
  renewals[1]?.done()
  await asked
})

test('a failure is told once, and the next change is tried', async () => {
  reloads.notice('a')
  await pass(30)
  renewals[0]?.fail(new Error('broken'))
  await pass(0)
  expect(failed).toEqual(['broken'])
  reloads.notice('a')
  await pass(30)
  renewals[1]?.done()
  await pass(0)
  expect(failed).toEqual(['broken'])
})

test('who asks waits for no pause, and hears how it ended; where a change comes, of the one in its place', async () => {
  const first = reloads.now()
  await turn()
  expect(renewals).toMatchObject([{ files: [], asked: true }])
  reloads.notice('a')
  await pass(30)
  expect(renewals[1]).toMatchObject({ files: ['a'], asked: true })
  const second = reloads.now()
  await turn()
  expect(renewals[1]?.signal.aborted).toBe(true)
  renewals[2]?.fail(new Error('broken'))
  await expect(first).rejects.toThrow('broken')
  await expect(second).rejects.toThrow('broken')
  const third = reloads.now()
  await turn()
  renewals[3]?.done()
  await expect(third).resolves.toBe(undefined)
  expect(failed).toEqual(['broken'])
})

test('the end gives up what is under way, tells who waits, and begins nothing', async () => {
  reloads.notice('a')
  const asked = reloads.now()
  asked.catch(() => {})
  await turn()
  reloads.notice('b')
  reloads.stop()
  await expect(asked).rejects.toThrow('The daemon is ending')
  await expect(reloads.now()).rejects.toThrow('The daemon is ending')
  reloads.notice('c')
  await pass(1000)
  expect([renewals.length, failed]).toEqual([1, []])
})

test('what makes nothing old gives up nothing: it is looked at when the one under way has ended', async () => {
  reloads = new Reloads({ settle: 30, matters: (file) => file !== 'noise', ...optionsOf() })
  reloads.notice('a')
  await pass(30)
  for (let i = 0; i < 5; i++) {
    reloads.notice('noise')
    await pass(40)
  }
  expect(renewals[0]?.signal.aborted).toBe(false)
  renewals[0]?.done()
  await pass(0)
  expect(filesOf()).toEqual([['a'], ['noise']])
})

test('what goes on changing without a pause is acted upon after a second', async () => {
  for (let i = 0; i < 60; i++) {
    reloads.notice(`file ${i % 2}`)
    await pass(20)
  }
  expect(filesOf()[0]).toEqual(['file 0', 'file 1'])
})
