import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { Dealer } from 'zeromq'
import { systemClock } from '../../src/clock.ts'
import { Ingress } from '../../src/daemon/ingress.ts'
import { freePort } from '../harness/project.ts'
import { until } from '../harness/until.ts'

test('a daemon that is behind reads no more until it has stored some, and nothing is lost', async () => {
  const url = `tcp://127.0.0.1:${await freePort()}`
  const waiting: (() => void)[] = []
  let inserted = 0
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
    isRecent: () => false,
    isStored: async () => false,
    insert: (jobs, answer) => {
      inserted += jobs.length
      waiting.push(() => answer([]))
    },
    ask: async () => undefined,
    refused: (_, error) => expect.unreachable(error.message),
    unanswered: (error) => expect.unreachable(error.message),
  })
  await ingress.open(url)
  onTestFinished(() => ingress.close())

  const MESSAGES = 100
  const socket = new Dealer({ linger: 0, immediate: true })
  onTestFinished(() => socket.close())
  socket.connect(url)
  const args = JSON.stringify(['x'.repeat(2 ** 20 - 100)])
  const sending = (async () => {
    for (let seq = 0; seq < MESSAGES; seq++) {
      const message = { kind: 'enqueue', project: 'p', seq, jobs: [[randomUUID(), 't', args]] }
      await socket.send(['ztask/1', JSON.stringify(message)])
    }
  })()
  await until('it to be behind', () => inserted >= 32)
  // It goes on with each answer and no sooner: 32 MiB, and the message that goes beyond it.
  for (let answered = 0; answered < MESSAGES; answered++) {
    await until('the next to be read', () => waiting.length > answered)
    await new Promise((resolve) => setImmediate(resolve))
    expect(inserted).toBeLessThanOrEqual(33 + answered)
    waiting[answered]?.()
  }
  await sending
  expect(inserted).toBe(MESSAGES)
  const answers = new Set<number>()
  for (let i = 0; i < MESSAGES; i++) {
    const [, body] = await socket.receive()
    answers.add(JSON.parse(String(body)).seq)
  }
  expect(answers.size).toBe(MESSAGES)
})
