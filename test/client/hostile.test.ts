/** A client before something that is not its daemon: each call rejects with a named error, and nothing else happens. */
import { expect, test } from 'vitest'
import {
  ConfigError,
  makeClient,
  OutcomeUnknownError,
  ProtocolError,
  WrongProjectError,
} from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import { type Answers, type Message, routers, serve, welcome } from '../harness/router.ts'

const noteOf = (url: string, callTimeout = 0.5): UntypedCalls =>
  makeClient<{ note: UntypedCalls }>({
    project: 'fixture',
    url,
    settings: { callTimeout },
    tasks: ['note'],
    load: () => Promise.reject(new Error('no registry here')),
  }).note

const rejection = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'resolved',
    (error) => error,
  )

test('a daemon of another version of the protocol is an error that names both', async () => {
  const url = await serve(() => ({ version: 'ztask/2', body: {} }))
  const error = await rejection(noteOf(url).async('x'))
  expect(error).toBeInstanceOf(ProtocolError)
  expect(String(error)).toMatch(/ztask\/1.*ztask\/2/)
})

test('an address that is none is an error that names the setting', async () => {
  const error = await rejection(noteOf('tcp://localhost').async('x'))
  expect(error).toBeInstanceOf(ConfigError)
  expect(String(error)).toContain('ZTASKD_URL')
})

test('what was sent when another daemon takes the address is unknown, what was not is refused', async () => {
  const refused = {
    body: { kind: 'refused', error: { code: 'ZTASK_WRONG_PROJECT', message: 'no', data: {} } },
  }
  const url = await serve(({ kind }) => (kind === 'hello' ? welcome : refused))
  expect(await rejection(noteOf(url, 5).async('sent'))).toBeInstanceOf(OutcomeUnknownError)
  const other = await serve(() => refused)
  expect(await rejection(noteOf(other).async('waiting'))).toBeInstanceOf(WrongProjectError)
})

test('resend() resolves to the handle, and its delay counts from the first call', async () => {
  const seen: Message[] = []
  const url = await serve((message) => {
    if (message.kind === 'hello') return welcome
    seen.push(message)
    return seen.length < 2 ? undefined : { body: { kind: 'stored', seq: message.seq } }
  })
  const error = await rejection(noteOf(url, 0.3).after(60, 'x'))
  expect(error).toBeInstanceOf(OutcomeUnknownError)
  const job = await (error as OutcomeUnknownError).resend()
  const [first, second] = seen.map(({ jobs }) => jobs?.[0])
  expect(job).toEqual({ id: first?.[0], disabled: false })
  expect(second?.[0]).toBe(first?.[0])
  // The call was in flight for its whole timeout.
  expect(second?.[3]).toBeLessThan((first?.[3] ?? 0) - 250)
})

test('calls that no daemon took come back in the order in which they were made', async () => {
  const order: number[] = []
  const collect: Answers = (message) => {
    if (message.kind === 'hello') return welcome
    order.push(...(message.jobs ?? []).map(([, , args]) => (JSON.parse(args) as number[])[0] ?? -1))
    return { body: { kind: 'stored', seq: message.seq } }
  }
  const url = await serve(collect)
  const note = noteOf(url, 20)
  await note.async(0)
  routers.pop()?.close()
  // Several messages' worth, which the client believes can be sent.
  const calls = Array.from({ length: 3500 }, (_, index) => note.async(index + 1))
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  await serve(collect, url)
  await Promise.all(calls)
  expect([...new Set(order)]).toEqual(Array.from({ length: 3501 }, (_, index) => index))
})
