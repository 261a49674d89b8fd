/** The four ways a call ends: stored, refused, not sent, unknown. */
import { afterEach, expect, test } from 'vitest'
import {
  DaemonUnavailableError,
  InvalidDelayError,
  makeClient,
  OutcomeUnknownError,
  PayloadTooLargeError,
  UnknownTaskError,
  UnserializableArgumentError,
  WrongProjectError,
} from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { TcpProxy } from '../harness/proxy.ts'
import { until } from '../harness/until.ts'

const proxies: TcpProxy[] = []
afterEach(() => {
  for (const proxy of proxies.splice(0)) proxy.close()
})

const clientOf = (project: TestProject, url: string, spec: { project?: string; callTimeout?: number } = {}) =>
  makeClient<Record<'note' | 'act' | 'noet', UntypedCalls>>({
    project: spec.project ?? 'fixture',
    url,
    settings: { callTimeout: spec.callTimeout ?? 5 },
    tasks: ['note', 'act', 'noet'],
    load: () => Promise.reject(new Error(`no registry of ${project.dir}`)),
  })

const proxied = async (project: TestProject): Promise<TcpProxy> => {
  const proxy = await TcpProxy.to(project.url)
  proxies.push(proxy)
  return proxy
}

const rejection = (
  call: Promise<unknown>,
): Promise<Error & { code?: string; data?: Record<string, unknown> }> =>
  call.then(
    () => Promise.reject(new Error('the call was expected to fail')),
    (error) => error,
  )

test('stored: the row is there when the call resolves', async () => {
  const project = await makeProject()
  await project.daemon()
  const job = await project.client().note.after(3600, 'later')
  expect(project.rows()).toMatchObject([{ id: job.id, task: 'note', state: 'queued', args: '["later"]' }])
})

test('refused: each call of one tick fails alone, with the reason and the cure', async () => {
  const project = await makeProject()
  await project.daemon()
  const { note, noet } = clientOf(project, project.url)
  const calls = [note.async('good'), noet.async('x'), note.async('x'.repeat(2 ** 20)), note.async(() => {})]
  const ends = await Promise.allSettled(calls)
  expect(ends.map((end) => end.status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected'])
  const errors = await Promise.all(calls.slice(1).map(rejection))
  expect(errors[0]).toBeInstanceOf(UnknownTaskError)
  expect(errors[0]?.message).toContain("Did you mean 'note'?")
  expect(errors[1]).toBeInstanceOf(PayloadTooLargeError)
  expect(errors[2]).toBeInstanceOf(UnserializableArgumentError)
  expect(errors[2]?.message).toContain('arguments[0]: a function cannot be sent')
  await project.hasRun('good')
})

test('refused: a daemon that takes smaller jobs than the client says so itself', async () => {
  const project = await makeProject()
  await project.daemon([], { ZTASKD_MAX_PAYLOAD: '100' })
  const error = await rejection(project.client().note.async('x'.repeat(200)))
  expect(error).toBeInstanceOf(PayloadTooLargeError)
  expect(error.data).toMatchObject({ maxPayload: 100 })
})

test('refused: a client of another project', async () => {
  const project = await makeProject()
  await project.daemon()
  const error = await rejection(clientOf(project, project.url, { project: 'other' }).note.async('x'))
  expect(error).toBeInstanceOf(WrongProjectError)
  expect(error.message).toContain("project 'fixture'")
  expect(project.rows()).toEqual([])
})

test.each([
  ['after', [-1]],
  ['after', [Number.NaN]],
  ['after', ['5']],
  ['after', []],
  ['at', [new Date('nonsense')]],
  ['at', ['2027-01-01']],
] as const)('refused at once: %s(%j)', async (verb, args) => {
  const { note } = makeClient<Record<'note', UntypedCalls>>({
    project: 'fixture',
    url: 'tcp://127.0.0.1:1',
    tasks: ['note'],
    load: async () => ({}),
  })
  const call = note[verb] as (...given: unknown[]) => Promise<unknown>
  expect(await rejection(call(...args))).toBeInstanceOf(InvalidDelayError)
})

test('not sent: no daemon within callTimeout; a daemon that starts later never hears of it', async () => {
  const project = await makeProject()
  const error = await rejection(project.client({ callTimeout: 0.3 }).note.async('given up'))
  expect(error).toBeInstanceOf(DaemonUnavailableError)
  expect(error.message).toContain('npx ztask daemon')
  await project.daemon()
  await project.client().note.async('next')
  await project.hasRun('next')
  expect(project.ran()).toEqual(['next'])
})

test('the daemon may start later than the client', async () => {
  const project = await makeProject()
  const call = project.client({ callTimeout: 30 }).note.async('early')
  await project.daemon()
  await call
  await project.hasRun('early')
})

test('unknown: a frozen daemon; error.resend() sends the same id, which runs once', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { note } = project.client({ callTimeout: 0.5 })
  await note.async('before')
  daemon.child.kill('SIGSTOP')
  const error = await rejection(note.async('frozen'))
  daemon.child.kill('SIGCONT')
  expect(error).toBeInstanceOf(OutcomeUnknownError)
  await (error as OutcomeUnknownError).resend()
  await note.async('after')
  await project.hasRun('after')
  await until('the table to be empty', () => project.rows().length === 0)
  expect(project.ran().filter((what) => what === 'frozen')).toHaveLength(1)
})

test('resend on reconnect: a call that was lost on the way is sent again', async () => {
  const project = await makeProject()
  await project.daemon()
  const proxy = await proxied(project)
  const { note } = clientOf(project, proxy.url, { callTimeout: 30 })
  await note.async('before')
  proxy.losesCalls = true
  const call = note.async('lost')
  // The probe that follows the silence is lost too: only the new link brings the call back.
  await new Promise((resolve) => setImmediate(resolve))
  proxy.cut()
  proxy.losesCalls = false
  await call
  await project.hasRun('lost')
})

test('resend on reconnect: an answer that was lost does not make the job run twice', async () => {
  const project = await makeProject()
  await project.daemon()
  const proxy = await proxied(project)
  const { note } = clientOf(project, proxy.url, { callTimeout: 30 })
  await note.async('before')
  proxy.losesAnswers = true
  const call = note.async('answered in vain')
  await project.hasRun('answered in vain')
  proxy.cut()
  proxy.losesAnswers = false
  await call
  await note.async('after')
  await project.hasRun('after')
  expect(project.ran().filter((what) => what === 'answered in vain')).toHaveLength(1)
})

test('resend on reconnect: calls outstanding at a killed daemon resolve at the next', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { note } = project.client({ callTimeout: 30 })
  await note.async('before')
  daemon.child.kill('SIGSTOP')
  const calls = ['a', 'b', 'c'].map((name) => note.async(name))
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  await daemon.kill('SIGKILL')
  await project.daemon()
  await Promise.all(calls)
  for (const name of ['a', 'b', 'c']) await project.hasRun(name)
})

test('after counts from the call, not from when the daemon hears of it', async () => {
  const project = await makeProject()
  const before = Date.now()
  const call = project.client({ callTimeout: 30 }).note.after(3600, 'late')
  const called = Date.now()
  await project.daemon()
  const heard = Date.now()
  await call
  const due = project.rows()[0]?.due ?? 0
  expect(due).toBeGreaterThanOrEqual(before + 3_600_000 - 5)
  expect(due).toBeLessThan((called + heard) / 2 + 3_600_000)
})
