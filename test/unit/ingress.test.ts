import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { Dealer } from 'zeromq'
import { systemClock } from '../../src/clock.ts'
import { Ingress, type IngressOptions } from '../../src/daemon/ingress.ts'
import { StorageError, UnknownTaskError } from '../../src/model/errors.ts'
import type { Verb } from '../../src/wire/protocol.ts'
import { freePort } from '../harness/ports.ts'

import { until } from '../harness/until.ts'

/** An open door with a client before it. */
const open = async (options: Partial<IngressOptions>): Promise<Dealer> => {
  const url = `tcp://127.0.0.1:${await freePort()}`
  const ingress = new Ingress({
    ...{
      clock: systemClock,
      project: 'p',
      keys: undefined,
      maxPayload: 2 ** 20,
      maxBatch: 2 ** 24,
      boot: 'b',
    },
    judge: () => undefined,
    placed: () => ({ priority: 0, options: null }),
    isRecent: () => false,
    isStored: async () => false,
    insert: () => expect.unreachable(),
    ask: async () => undefined,
    progresses: { watch: async () => {} },
    results: { wait: () => {}, withdraw: () => {}, ask: async () => {}, seen: () => {} },
    refused: (_, error) => expect.unreachable(error.message),
    unanswered: (error) => expect.unreachable(error.message),
    boundAgain: () => expect.unreachable(),
    ...options,
  })
  await ingress.open(url)
  onTestFinished(() => ingress.close())
  const socket = new Dealer({ linger: 0, immediate: true })
  onTestFinished(() => socket.close())
  socket.connect(url)
  return socket
}

const ask = (seq: number, verb: Verb): string[] => [
  'ztask/1',
  JSON.stringify({ kind: 'ask', project: 'p', seq, verb, params: {} }),
]

const MESSAGES = 100

/** A door whose jobs go to `insert`, and a client that sends messages of 1 MiB each, or of many small jobs. */
const flooded = async (
  insert: IngressOptions['insert'],
  messages = MESSAGES,
  jobs = 1,
): Promise<{ socket: Dealer; sending: Promise<void> }> => {
  const socket = await open({ insert })
  const args = jobs === 1 ? JSON.stringify(['x'.repeat(2 ** 20 - 100)]) : '[]'
  const send = async (): Promise<void> => {
    for (let seq = 0; seq < messages; seq++) {
      const list = Array.from({ length: jobs }, () => [randomUUID(), 't', args])
      const message = { kind: 'enqueue', project: 'p', seq, jobs: list }
      await socket.send(['ztask/1', JSON.stringify(message)])
    }
  }
  return { socket, sending: send() }
}

/** Answers so many messages one after the other, of which at most so many, and as many as have been answered, may be read. */
const answerInTurn = async (
  waiting: readonly (() => void)[],
  messages: number,
  most: number,
): Promise<void> => {
  for (let answered = 0; answered < messages; answered++) {
    await until('the next to be read', () => waiting.length > answered)
    await new Promise((resolve) => setImmediate(resolve))
    expect(waiting.length).toBeLessThanOrEqual(most + answered)
    waiting[answered]?.()
  }
}

test('a daemon that is behind reads no more until it has stored some, and nothing is lost', async () => {
  const waiting: (() => void)[] = []
  let inserted = 0
  const { socket, sending } = await flooded((jobs, answer) => {
    inserted += jobs.length
    waiting.push(() => answer([]))
  })
  await until('it to be behind', () => inserted >= 32)
  // It goes on with each answer and no sooner: 32 MiB, and the message that goes beyond it.
  await answerInTurn(waiting, MESSAGES, 33)
  await sending
  expect(inserted).toBe(MESSAGES)
  const answers = new Set<number>()
  for (let i = 0; i < MESSAGES; i++) {
    const [, body] = await socket.receive()
    answers.add(JSON.parse(String(body)).seq)
  }
  expect(answers.size).toBe(MESSAGES)
})

test('what waits for a disk that fails shuts the door to nobody', async () => {
  const { socket, sending } = await flooded((_jobs, _answer, _together, waits) => waits())
  await sending
  await socket.send(['ztask/1', JSON.stringify({ kind: 'hello', project: 'p' })])
  const [, body] = await socket.receive()
  expect(JSON.parse(String(body))).toMatchObject({ kind: 'welcome' })
})

test('what small jobs take beside their texts counts, too', async () => {
  const waiting: (() => void)[] = []
  const messages = 20
  const { sending } = await flooded((_jobs, answer) => waiting.push(() => answer([])), messages, 10_000)
  // Half a megabyte of text and two of jobs, each.
  await until('it to be behind', () => waiting.length >= 13)
  await answerInTurn(waiting, messages, 14)
  await sending
})

test('between large messages the event loop turns, however many have arrived', async () => {
  let turns = 0
  const inserted: number[] = []
  const { sending } = await flooded((_jobs, answer) => {
    inserted.push(turns)
    setImmediate(() => turns++)
    answer([])
  })
  await sending
  await until('all to be read', () => inserted.length === MESSAGES)
  expect(inserted).toEqual(Array.from({ length: MESSAGES }, (_, at) => at))
})

test('few large answers are made at once: it reads no more until some have been given', async () => {
  const waiting: (() => void)[] = []
  const socket = await open({
    ask: () => new Promise((resolve) => waiting.push(() => resolve([]))),
  })
  const ASKS = 100
  for (let seq = 0; seq < ASKS; seq++) await socket.send(ask(seq, 'list'))
  await answerInTurn(waiting, ASKS, 33)
  for (let i = 0; i < ASKS; i++) await socket.receive()
})

test('an answer beyond any bound is refused with the cure in its place', async () => {
  const socket = await open({ ask: async (verb) => 'ü'.repeat(verb === 'show' ? 3 * 2 ** 20 : 2 ** 20) })
  await socket.send(ask(1, 'show'))
  expect(JSON.parse(String((await socket.receive())[1]))).toEqual({
    ...{ kind: 'refused', seq: 1 },
    error: {
      code: 'ZTASK_DAEMON',
      message:
        'The answer takes 6291492 bytes; a daemon sends 6291456. Ask for fewer jobs at a time, or raise maxPayload.',
      data: {},
    },
  })
  await socket.send(ask(2, 'list'))
  expect(JSON.parse(String((await socket.receive())[1]))).toMatchObject({ kind: 'answer', seq: 2 })
})

test('who asks for very many results is read no further than they are looked up', async () => {
  const waiting: (() => void)[] = []
  const socket = await open({
    results: {
      ...{ wait: () => {}, withdraw: () => {}, seen: () => {} },
      ask: () => new Promise((resolve) => waiting.push(resolve)),
    },
  })
  const jobs = Array.from({ length: 10_000 }, () => [randomUUID(), 60_000])
  const ASKS = 20
  const body = JSON.stringify({ kind: 'await', project: 'p', jobs })
  const sending = (async () => {
    for (let asks = 0; asks < ASKS; asks++) await socket.send(['ztask/1', body])
  })()
  // 0.45 MiB of text and two of jobs, each.
  await until('it to be behind', () => waiting.length >= 13)
  await answerInTurn(waiting, ASKS, 14)
  await sending
})

test('nobody waits any more for a call that is refused', async () => {
  const waits = new Set<string>()
  let isFull = false
  const socket = await open({
    insert: (jobs, answer) => {
      const full = new StorageError('The disk is full.', { reason: 'full' })
      answer(isFull ? jobs.map((_, at) => [at, full] as const) : [])
    },
    judge: (task) => (task === 'none' ? { refuse: new UnknownTaskError('There is none.') } : undefined),
    isRecent: (id) => id === RECENT,
    maxBatch: 100,
    results: {
      ...{ ask: async () => {}, seen: () => {} },
      wait: (_, id) => waits.add(id),
      withdraw: (_, ids) => {
        for (const id of ids) waits.delete(id)
      },
    },
    refused: () => {},
  })
  const RECENT = randomUUID()
  const call = (task = 't', args = '[]', id = randomUUID()): unknown[] => [id, task, args, null, null, 60_000]
  const sent = async (jobs: unknown[], together?: true): Promise<unknown> => {
    const message = { kind: 'enqueue', project: 'p', seq: 1, jobs, together }
    await socket.send(['ztask/1', JSON.stringify(message)])
    return JSON.parse(String((await socket.receive())[1]))
  }
  expect(await sent([call('none'), call('t', '[]', RECENT)])).toMatchObject({
    kind: 'stored',
    refused: [[0, {}]],
  })
  expect(await sent([call(), call('none')], true)).toMatchObject({ kind: 'refused' })
  expect(await sent([call(), call('t', `["${'x'.repeat(100)}"]`)], true)).toMatchObject({ kind: 'refused' })
  isFull = true
  expect(await sent([call(), call()])).toMatchObject({ kind: 'stored', refused: [{}, {}] })
  expect(await sent([call(), call()], true)).toMatchObject({ kind: 'refused' })
  expect(waits.size).toBe(0)
  isFull = false
  await sent([call(), call()])
  expect(waits.size).toBe(2)
})
