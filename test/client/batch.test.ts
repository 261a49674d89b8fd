/** `batch`: many jobs by one message, all of them or none. */
import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import { BatchTooLargeError, makeClient, OutcomeUnknownError } from '../../dist/src/index.js'
import type { UntypedCalls } from '../../src/client/client.ts'
import { MOST_TOGETHER } from '../../src/wire/protocol.ts'
import { exchange } from '../harness/dealer.ts'
import type { RunningProcess } from '../harness/process.ts'
import { shareProject, type TestProject } from '../harness/project.ts'
import { TcpProxy } from '../harness/proxy.ts'
import { until } from '../harness/until.ts'

const IDLE = `import { task } from 'ztask'\nexport const idle = task(() => {})\n`
const LARGEST_JOB = 1000
const LARGEST = 100_000

const clientOf = (url: string, settings: { callTimeout?: number; maxBatch?: number } = {}) =>
  makeClient<Record<'note' | 'noet' | 'idle', UntypedCalls>>({
    project: 'fixture',
    url,
    settings: { maxPayload: 2 ** 20, ...settings },
    tasks: ['note', 'noet', 'idle'],
    load: () => Promise.reject(new Error('no registry here')),
  })

let project: TestProject
let daemon: RunningProcess
let note: UntypedCalls
beforeAll(async () => {
  project = await shareProject({
    config: `maxPayload: ${LARGEST_JOB}, maxBatch: ${LARGEST}`,
    files: { 'src/idle.ts': IDLE },
  })
  daemon = await project.daemon()
  note = clientOf(project.url).note
})

const ranOf = (prefix: string): string[] => project.ran().filter((what) => what.startsWith(prefix))
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

test('each job runs, and the handles stand in the order of the calls', async () => {
  const good = names('good ', 500)
  const jobs = await note.batch(good.map((name) => [name]))
  expect(new Set(jobs.map(({ id }) => id)).size).toBe(500)
  await until('all to have run', () => ranOf('good ').length >= 500)
  expect(ranOf('good ').sort()).toEqual(good.sort())
  await until('the table to be empty', () => project.rows().length === 0)
  expect(await jobs[7]?.cancel()).toBe('finished')
  expect(await note.batch([])).toEqual([])
})

test('when it resolves, all of it is on disk: a daemon that is killed then runs it at its next start', async () => {
  const jobs = await note.batch(names('killed ', 300).map((name) => [name]))
  await daemon.kill('SIGKILL')
  const left = project.rows().map(({ id }) => id)
  expect(left).toEqual(jobs.map(({ id }) => id).filter((id) => left.includes(id)))
  daemon = await project.daemon()
  await until('all to have run', () => new Set(ranOf('killed ')).size === 300)
})

test.each([
  ['too large a job', [['none 0'], ['x'.repeat(LARGEST_JOB)]], 'ZTASK_PAYLOAD_TOO_LARGE', /take 1004 bytes/],
  [
    'what cannot be sent',
    [['none 0'], [() => {}]],
    'ZTASK_UNSERIALIZABLE',
    /^Call 1 of the batch: .*arguments\[0\]/,
  ],
  [
    'too large a batch',
    names('none ', 200).map((name) => [name, 'x'.repeat(600)]),
    'ZTASK_BATCH_TOO_LARGE',
    /split it/,
  ],
  [
    'too many',
    new Array(MOST_TOGETHER + 1).fill(['none 0']),
    'ZTASK_BATCH_TOO_LARGE',
    /at most 100000 jobs; .* has 100001/,
  ],
  ['no list of lists', ['none 0'], 'ZTASK_INVALID_BATCH', /call 0 is 'none 0', no list/],
  ['no list', 'none 0', 'ZTASK_INVALID_BATCH', /'none 0' is no list/],
])('%s: the reason, and nothing is stored', async (_, calls, code, message) => {
  const call = note.batch(calls as unknown[][])
  await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  await note.async('asked after')
  await project.hasRun('asked after')
  expect(ranOf('none ')).toEqual([])
})

test('a task that the daemon does not know: nothing is stored', async () => {
  const call = clientOf(project.url).noet.batch([['none 0'], ['none 1']])
  await expect(call).rejects.toMatchObject({ code: 'ZTASK_UNKNOWN_TASK' })
})

test('the client itself refuses what is larger than its own maxBatch', async () => {
  const { note } = clientOf('tcp://127.0.0.1:1', { maxBatch: 100 })
  await expect(note.batch(names('none ', 20).map((name) => [name]))).rejects.toBeInstanceOf(
    BatchTooLargeError,
  )
})

test('one of the jobs is none, whoever sent it: none of the others is stored', async () => {
  const jobs = [
    [randomUUID(), 'note', '["none 0"]'],
    [randomUUID(), 'note', 7],
    [randomUUID(), 'note', '["none 2"]'],
  ]
  const message = { kind: 'enqueue', project: 'fixture', seq: 3, jobs, together: true }
  const { kind, seq, error } = await exchange(project.url, ['ztask/1', JSON.stringify(message)])
  expect({ kind, seq, code: error?.code }).toEqual({ kind: 'refused', seq: 3, code: 'ZTASK_PROTOCOL' })
  await note.async('after a bad one')
  await project.hasRun('after a bad one')
  expect(ranOf('none ')).toEqual([])
})

test('an answer that was lost does not make it run twice', async () => {
  const proxy = await TcpProxy.to(project.url)
  try {
    const { note } = clientOf(proxy.url, { callTimeout: 0.5 })
    await note.async('through the proxy')
    proxy.losesAnswers = true
    const call = note.batch(names('twice ', 50).map((name) => [name]))
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(OutcomeUnknownError)
    expect((error as Error).message).toContain('a batch of 50 note')
    proxy.cut()
    proxy.losesAnswers = false
    expect(await (error as OutcomeUnknownError).resend()).toHaveLength(50)
    await until('all to have run', () => ranOf('twice ').length >= 50)
    await until('the table to be empty', () => project.rows().length === 0)
    expect(ranOf('twice ')).toHaveLength(50)
  } finally {
    proxy.close()
  }
})

test('eager runs each here in its order, disabled none, inline where no daemon answers', async () => {
  const script = (mode: Record<string, string>) =>
    project.script(
      `import { tasks } from './src/ztask/client.js'
       const jobs = await tasks.note.batch([['here 0'], ['here 1'], ['here 2']])
       console.log(jobs.map(({ disabled }) => disabled).join())`,
      mode,
    ).ended
  const before = ranOf('here ').length
  expect(before).toBe(0)
  const disabled = await script({ ZTASKD_DISABLED: 'true' })
  expect(disabled.stdout).toContain('disabled: note is not run, 3 times')
  expect(disabled.stdout).toContain('true,true,true')
  expect(ranOf('here ')).toEqual([])
  const eager = await script({ ZTASKD_ALWAYS_EAGER: 'true' })
  expect(eager.stdout).toContain('false,false,false')
  expect(ranOf('here ')).toEqual(['here 0', 'here 1', 'here 2'])
  const inline = {
    ZTASKD_URL: 'tcp://127.0.0.1:9',
    ZTASKD_ON_UNAVAILABLE: 'inline',
    ZTASKD_CALL_TIMEOUT: '0.1',
  }
  expect(await script(inline)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('running note here, 3 times'),
  })
  expect(ranOf('here ')).toHaveLength(6)
})

test('several of the largest at once, in the usual time: each waits its turn', async () => {
  const { idle } = clientOf(project.url)
  const calls = new Array<unknown[]>(LARGEST / '[]'.length).fill([])
  const jobs = await Promise.all(Array.from({ length: 6 }, () => idle.batch(calls)))
  expect(new Set(jobs.flat().map(({ id }) => id)).size).toBe(300_000)
})
