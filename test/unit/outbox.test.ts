import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Outbox } from '../../src/wire/outbox.ts'

/** A socket as zeromq's is: a second send while one is pending throws at once. It takes a message when it is told to. */
class Socket {
  readonly taken: string[] = []
  #pending: { message: string; resolve: () => void; reject: (error: Error) => void } | undefined

  send(message: string): Promise<void> {
    if (this.#pending !== undefined) throw new Error('EBUSY')
    return new Promise((resolve, reject) => {
      this.#pending = { message, resolve, reject }
    })
  }

  get pending(): string | undefined {
    return this.#pending?.message
  }

  async take(error?: Error): Promise<void> {
    const pending = this.#pending
    this.#pending = undefined
    if (pending === undefined) return
    if (error !== undefined) pending.reject(error)
    else {
      this.taken.push(pending.message)
      pending.resolve()
    }
    await turn()
  }
}

const made = () => {
  const socket = new Socket()
  const undeliverable: string[] = []
  const outbox = new Outbox<string>(socket, (message, error) =>
    undeliverable.push(`${message}: ${error.message}`),
  )
  const flushed = (): Promise<boolean> => Promise.race([outbox.flushed().then(() => true), turn(false)])
  return { socket, outbox, undeliverable, flushed }
}

test('sends one message at a time, in the order in which they were put', async () => {
  const { socket, outbox, undeliverable } = made()
  for (const message of ['a', 'b', 'c']) outbox.put(message)
  expect([socket.pending, socket.taken]).toEqual(['a', []])
  await socket.take()
  outbox.put('d')
  for (let i = 0; i < 4; i++) await socket.take()
  expect([socket.taken, undeliverable]).toEqual([['a', 'b', 'c', 'd'], []])
  outbox.put('e')
  expect(socket.pending).toBe('e')
})

test('what the socket does not take is told, and the next goes on', async () => {
  const { socket, outbox, undeliverable } = made()
  for (const message of ['a', 'b', 'c']) outbox.put(message)
  await socket.take(new Error('EHOSTUNREACH'))
  await socket.take()
  await socket.take(new Error('EAGAIN'))
  expect([socket.taken, undeliverable]).toEqual([['b'], ['a: EHOSTUNREACH', 'c: EAGAIN']])
})

test('a socket that throws at once is told too', async () => {
  const undeliverable: string[] = []
  const send = (): Promise<void> => {
    throw new Error('closed')
  }
  const outbox = new Outbox<string>({ send }, (message) => undeliverable.push(message))
  outbox.put('a')
  outbox.put('b')
  await outbox.flushed()
  expect(undeliverable).toEqual(['a', 'b'])
})

test('is flushed when everything put so far is with the socket or told, and at once when empty', async () => {
  const { socket, outbox, flushed } = made()
  expect(await flushed()).toBe(true)
  outbox.put('a')
  outbox.put('b')
  expect(await flushed()).toBe(false)
  await socket.take()
  expect(await flushed()).toBe(false)
  await socket.take(new Error('gone'))
  expect(await flushed()).toBe(true)
})

test('whatever fails, each message is taken or told, once and in order', async () => {
  const step = fc.oneof(fc.constant('put'), fc.constant('take'), fc.constant('fail'))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { socket, outbox, undeliverable, flushed } = made()
      let put = 0
      const order: string[] = []
      for (const kind of steps) {
        if (kind === 'put') outbox.put(String(put++))
        else {
          if (socket.pending !== undefined) order.push(socket.pending)
          await socket.take(kind === 'fail' ? new Error('no') : undefined)
        }
      }
      while (!(await flushed())) {
        if (socket.pending !== undefined) order.push(socket.pending)
        await socket.take()
      }
      expect(order).toEqual(Array.from({ length: put }, (_, i) => String(i)))
      expect(socket.taken.length + undeliverable.length).toBe(put)
    }),
  )
})
