import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { nextPlace } from '../../src/wire/ipc.ts'
import { Claims } from '../../src/worker/claims.ts'

const MODULE = new URL('../../dist/src/worker/claims.js', import.meta.url)

describe('claims', () => {
  test('the first has it, and nobody after', () => {
    const memory = Claims.memory(10)
    const [loop, thread] = [new Claims(memory), new Claims(memory)]
    expect([loop.claim(1), loop.claim(1), thread.claim(1)]).toEqual([true, false, false])
    expect([thread.claim(2), loop.claim(2), thread.claim(2)]).toEqual([true, false, false])
  })

  test('a place that is long past is nobody’s, though its word was used again', () => {
    const memory = Claims.memory(1)
    const claims = new Claims(memory)
    const words = memory.byteLength / 4
    for (let place = 1; place <= 3 * words; place++) expect(claims.claim(place)).toBe(true)
    for (let place = 1; place <= 3 * words; place++) expect(claims.claim(place), String(place)).toBe(false)
  })

  test('places wrap around after 2^31', () => {
    const claims = new Claims(Claims.memory(1))
    const words = new Int32Array(Claims.memory(1)).length
    let place = 2 ** 31 - 3 * words
    for (let i = 0; i < words; i++) claims.claim(place - words + i)
    for (let i = 0; i < 6 * words; i++) {
      expect(claims.claim(place), String(place)).toBe(true)
      expect(claims.claim(place)).toBe(false)
      place = nextPlace(place)
    }
    expect(place).toBe(-(2 ** 31) + 3 * words)
  })

  test('of two threads that claim the same places, each place has one winner', async () => {
    const memory = Claims.memory(10_000)
    const COUNT = 10_000
    const claimAll = `
      const { parentPort, workerData } = require('node:worker_threads')
      import(${JSON.stringify(MODULE.href)}).then(({ Claims }) => {
        const claims = new Claims(workerData.memory)
        parentPort.once('message', () => {
          const mine = []
          for (let place = 1; place <= ${COUNT}; place++) if (claims.claim(place)) mine.push(place)
          parentPort.postMessage(mine)
        })
        parentPort.postMessage('ready')
      })`
    const threads = [0, 1].map(() => new Worker(claimAll, { eval: true, workerData: { memory } }))
    const next = (thread: Worker): Promise<number[]> => new Promise((told) => thread.once('message', told))
    await Promise.all(threads.map(next))
    const won = threads.map(next)
    for (const thread of threads) thread.postMessage('go')
    const [first = [], second = []] = await Promise.all(won)
    await Promise.all(threads.map((thread) => thread.terminate()))
    expect([...first, ...second].sort((a, b) => a - b)).toEqual(
      Array.from({ length: COUNT }, (_, i) => i + 1),
    )
  })
})
