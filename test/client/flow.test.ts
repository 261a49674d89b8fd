/** What a client has under way at a time: as little as is fast, and no more than a daemon answers in good time. */
import { expect, test } from 'vitest'
import { makeClient } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import { type Message, type Reply, serve, welcome } from '../harness/router.ts'

const noteOf = (url: string): UntypedCalls =>
  makeClient<{ note: UntypedCalls }>({
    project: 'fixture',
    url,
    settings: { callTimeout: 30 },
    tasks: ['note'],
    load: () => Promise.reject(new Error('no registry here')),
  }).note

const stored = ({ seq }: Message): Reply => ({ body: { kind: 'stored', seq } })

test('the calls of one tick travel in one message', async () => {
  const messages: number[] = []
  const url = await serve((message) => {
    if (message.kind === 'hello') return welcome
    messages.push(message.jobs?.length ?? 0)
    return stored(message)
  })
  const note = noteOf(url)
  await note.async('first')
  await Promise.all(Array.from({ length: 500 }, (_, index) => note.async(index)))
  expect(messages).toEqual([1, 500])
})

/** A daemon that answers nothing before its client has been silent for a while, and asks whether it is there. */
const slow = async () => {
  const owed: { readonly jobs: number; readonly answer: () => void }[] = []
  const seen = { most: 0 }
  const url = await serve((message) => {
    if (message.kind === 'hello') {
      for (const { answer } of owed.splice(0)) answer()
      return welcome
    }
    return new Promise((resolve) => {
      owed.push({ jobs: message.jobs?.length ?? 0, answer: () => resolve(stored(message)) })
      const inFlight = owed.reduce((sum, { jobs }) => sum + jobs, 0)
      seen.most = Math.max(seen.most, inFlight)
    })
  })
  return { note: noteOf(url), seen }
}

test.each([
  [6, 20_000, 40_000],
  [3, 40_000, 40_000],
])('%i batches of %i jobs without arguments: %i jobs are in flight', async (batches, size, most) => {
  const { note, seen } = await slow()
  const calls = new Array<unknown[]>(size).fill([])
  const jobs = await Promise.all(Array.from({ length: batches }, () => note.batch(calls)))
  expect(jobs.flat()).toHaveLength(batches * size)
  expect(seen.most).toBe(most)
})

test('40,000 calls: 32 messages of 1,000 are in flight', async () => {
  const { note, seen } = await slow()
  await Promise.all(Array.from({ length: 40_000 }, () => note.async()))
  expect(seen.most).toBe(32_000)
})
