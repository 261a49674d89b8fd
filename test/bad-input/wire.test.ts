/** What no client of ours would send: answered or dropped, counted, told at most once a second, and served on. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Dealer } from 'zeromq'
import type { RefusalCounts } from '../../src/model/refusal.ts'
import { MOST_IDS } from '../../src/wire/ask.ts'
import { MOST_JOBS } from '../../src/wire/protocol.ts'
import { exchange, sendRaw } from '../harness/dealer.ts'
import { logLines, type RunningProcess } from '../harness/process.ts'
import { shareProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

let project: TestProject
let daemon: RunningProcess
beforeAll(async () => {
  project = await shareProject({ config: 'maxPayload: 1000' })
  daemon = await project.daemon()
})

/** Whatever a test has sent, the same daemon takes and runs the next good job. */
let good = 0
afterEach(async () => {
  await project.client().note.async(`good ${++good}`)
  await project.hasRun(`good ${good}`)
  expect(daemon.hasEnded).toBe(false)
})

/** What `ztask status` asks, without a process for each. */
const counts = async (): Promise<RefusalCounts> => {
  const ask = JSON.stringify({ kind: 'ask', project: 'fixture', seq: 1, verb: 'status', params: {} })
  const { value } = await exchange(project.url, ['ztask/1', ask])
  return (value as { refused: RefusalCounts }).refused
}

const enqueue = (jobs: unknown[], name = 'fixture'): string =>
  JSON.stringify({ kind: 'enqueue', project: name, seq: 7, jobs })

const GOOD = enqueue([[randomUUID(), 'note', '["never"]']])

test.each([
  ['one frame', ['ztask/1'], 'A message has 2 frames; this one has 1.'],
  ['three frames', ['ztask/1', GOOD, 'x'], 'A message has 2 frames; this one has 3.'],
  ['no name of a protocol', ['', GOOD], 'This side speaks ztask/1, the other .'],
  ['no JSON', ['ztask/1', 'nonsense'], 'The message is not JSON.'],
  ['a truncated message', ['ztask/1', GOOD.slice(0, -9)], 'The message is not JSON.'],
  ['bytes', ['ztask/1', Buffer.from([0xff, 0x00, 0xfe])], 'The message is not JSON.'],
  ['no object', ['ztask/1', '7'], 'The message is not an object.'],
  [
    'no kind of ours',
    ['ztask/1', '{"kind":"eval","project":"fixture"}'],
    "No message of ztask/1: kind 'eval'.",
  ],
  ['20 MB of nothing', ['ztask/1', Buffer.alloc(20_000_000, 'x')], 'The message is not JSON.'],
])('%s is answered with what is wrong, and counted', async (_, frames, message) => {
  const before = await counts()
  const { kind, error } = await exchange(project.url, frames)
  expect({ kind, code: error?.code }).toEqual({ kind: 'refused', code: 'ZTASK_PROTOCOL' })
  expect(error?.message).toContain(message)
  expect(error?.message).toMatch(/check ZTASKD_URL\.$|Use one version of ztask on both\.$/)
  expect((await counts()).total).toBe(before.total + 1)
})

test('another version is answered with both, and counted as one', async () => {
  const before = await counts()
  const { error } = await exchange(project.url, ['ztask/2', GOOD])
  expect(error).toMatchObject({
    code: 'ZTASK_PROTOCOL',
    message: 'This side speaks ztask/1, the other ztask/2. Use one version of ztask on both.',
    data: { ours: 'ztask/1', theirs: 'ztask/2' },
  })
  expect((await counts()).version).toBe(before.version + 1)
})

test('of the jobs of one message each fails alone: malformed, too large, unknown', async () => {
  const before = await counts()
  const jobs = [
    'no job',
    [randomUUID(), 'note', '[]', -1],
    [randomUUID(), 'note', `["${'x'.repeat(1000)}"]`],
    [randomUUID(), 'noet', '[]'],
    [randomUUID(), 'note', '["among the bad"]'],
  ]
  const { seq, refused } = await exchange(project.url, ['ztask/1', enqueue(jobs)])
  expect(seq).toBe(7)
  expect(refused?.map(([index, { code }]) => [index, code])).toEqual([
    [0, 'ZTASK_PROTOCOL'],
    [1, 'ZTASK_PROTOCOL'],
    [2, 'ZTASK_PAYLOAD_TOO_LARGE'],
    [3, 'ZTASK_UNKNOWN_TASK'],
  ])
  expect(refused?.[2]?.[1].message).toBe(
    'The arguments of note take 1004 bytes; this daemon takes 1000. Pass an id and load the data in the task, or raise maxPayload.',
  )
  await project.hasRun('among the bad')
  const { malformed, payload, task, total } = await counts()
  expect({ malformed, payload, task, total }).toEqual({
    malformed: before.malformed + 2,
    payload: before.payload + 1,
    task: before.task + 1,
    total: before.total + 4,
  })
})

test('a message of more jobs than one may have is refused as a whole, at once, and counted once', async () => {
  const before = await counts()
  const { seq, error, refused } = await exchange(project.url, [
    'ztask/1',
    enqueue(Array.from({ length: MOST_JOBS + 1 }, () => 0)),
  ])
  expect({ seq, refused, code: error?.code }).toEqual({ seq: 7, refused: undefined, code: 'ZTASK_PROTOCOL' })
  expect(error?.message).toBe(
    'A message has at most 10000 jobs; this one has 10001. None of them is stored: send them in several messages.',
  )
  expect((await counts()).total).toBe(before.total + 1)
})

test('of very many refused jobs not every one is told at length; where none is stored one refusal speaks for all', async () => {
  const before = await counts()
  const bad = Array.from({ length: MOST_JOBS - 1 }, () => 0)
  const good = [randomUUID(), 'note', '["among very many"]']
  const some = await exchange(project.url, ['ztask/1', enqueue([...bad, good])])
  expect(some).toMatchObject({ kind: 'stored', seq: 7 })
  expect(some.refused?.map(([index]) => index)).toEqual(bad.map((_, index) => index))
  expect(new Set(some.refused?.map(([, { code }]) => code))).toEqual(new Set(['ZTASK_PROTOCOL']))
  expect(some.refused?.filter(([, { message }]) => message === 'A job is a list of at most 7.')).toHaveLength(
    1000,
  )
  await project.hasRun('among very many')
  const all = await exchange(project.url, ['ztask/1', enqueue([...bad, 0])])
  expect(all).toEqual({
    ...{ kind: 'refused', seq: 7 },
    error: { code: 'ZTASK_PROTOCOL', message: 'A job is a list of at most 7.', data: {} },
  })
  expect((await counts()).malformed).toBe(before.malformed + 2 * MOST_JOBS - 1)
})

describe('an ask whose params cannot be is refused, counted, and changes nothing', () => {
  let failed: string
  beforeAll(async () => {
    failed = (await project.calls(['failOnce']).failOnce.async('f')).id
    await project.job(failed, 'failed')
  })

  test.each([
    ['delete', { ids: 'all' }, 'The ids of an ask must be a list of texts.'],
    ['delete', { ids: null }, 'The ids of an ask must be a list of texts.'],
    ['retry', { ids: [7] }, 'The ids of an ask must be a list of texts.'],
    ['delete', ['x'], 'The params of an ask must be an object.'],
    [
      'delete',
      { ids: Array.from({ length: MOST_IDS + 1 }, () => '') },
      'One command names at most 10000 jobs; this one names 10001. Nothing is changed: name fewer at a time.',
    ],
    ['list', { limit: -1 }, 'The limit of an ask must be a whole number, 1 or more.'],
    ['list', { limit: 1.5 }, 'The limit of an ask must be a whole number, 1 or more.'],
    [
      'list',
      { state: 'faild' },
      'The state of an ask must be one of waiting, scheduled, running, held, failed.',
    ],
    ['list', { task: 7 }, 'The task of an ask must be text.'],
    ['list', { since: 'yesterday' }, 'The since of an ask must be a number of milliseconds since the epoch.'],
    ['show', {}, 'The id of an ask must be text.'],
  ])('%s %j', async (verb, params, message) => {
    const before = await counts()
    const ask = JSON.stringify({ kind: 'ask', project: 'fixture', seq: 8, verb, params })
    const { kind, seq, error } = await exchange(project.url, ['ztask/1', ask])
    expect({ kind, seq, code: error?.code }).toEqual({ kind: 'refused', seq: 8, code: 'ZTASK_PROTOCOL' })
    expect(error?.message).toContain(message)
    expect((await counts()).malformed).toBe(before.malformed + 1)
    expect(project.rows().find(({ id }) => id === failed)?.state).toBe('failed')
  })
})

test("another project's client is answered with both names, and nothing of it is stored", async () => {
  const before = await counts()
  const jobs = [[randomUUID(), 'note', '["of another"]']]
  const { seq, error } = await exchange(project.url, ['ztask/1', enqueue(jobs, 'shop')])
  expect({ seq, ...error }).toMatchObject({
    seq: 7,
    code: 'ZTASK_WRONG_PROJECT',
    message: `The daemon at this address belongs to project 'fixture', this client to 'shop'. Give one of them another url (ZTASKD_URL).`,
    data: { daemon: 'fixture', client: 'shop' },
  })
  expect((await counts()).project).toBe(before.project + 1)
  expect(project.ran()).not.toContain('of another')
})

test('a browser, a half greeting and random bytes are dropped and counted', async () => {
  const before = await counts()
  await sendRaw(project.url, Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  // The first bytes of ZMTP 3, https://rfc.zeromq.org/spec/23/
  await sendRaw(project.url, Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3]))
  await sendRaw(project.url, Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, ...Buffer.alloc(53, 0xff)]))
  await until('all three to be counted', async () => (await counts()).handshake >= before.handshake + 3)
})

test('a frame beyond any bound ends its connection, and is not kept in memory', async () => {
  const memory = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1])
  const before = memory()
  const socket = new Dealer({ linger: 0, immediate: true, reconnectInterval: 60_000 })
  const dropped = new Promise<void>((resolve) => socket.events.on('disconnect', () => resolve()))
  socket.connect(project.url)
  await socket.send(['ztask/1', Buffer.alloc(160_000_000)])
  await dropped
  socket.close()
  // kB
  expect(memory() - before).toBeLessThan(100_000)
})

test('status has the counts, --json all of them', async () => {
  await exchange(project.url, ['ztask/2', '{}'])
  const { refused } = await project.json<{ refused: RefusalCounts }>('status')
  expect(refused).toEqual(await counts())
  expect(Object.values(refused).reduce((sum, n) => sum + n, 0)).toBe(2 * refused.total)
  const { stdout } = await project.ztask('status')
  expect(stdout).toMatch(new RegExp(`^refused: .*${refused.version} version`, 'm'))
})

test('a flood is counted to the last and told at most once a second, on lines that a terminal can bear', async () => {
  const before = await counts()
  const from = daemon.stdout.length
  const start = performance.now()
  await exchange(project.url, ...Array.from({ length: 5000 }, () => ['\u001b[2Jnonsense', '{}']))
  expect((await counts()).total).toBe(before.total + 5000)
  const lines = () =>
    logLines(daemon.stdout.slice(from)).filter(
      ({ msg, level }) => level === 'warn' && msg.startsWith('Refused') && msg.includes('This side speaks'),
    )
  await until('the last to be told', () => {
    const [line] = lines().slice(-1)
    return (line?.refused as RefusalCounts | undefined)?.total === before.total + 5000
  })
  // One for what came before this test, one at once, and then one for each second that has begun.
  expect(lines().length).toBeLessThanOrEqual(3 + (performance.now() - start) / 1000)
  expect(lines().at(-1)?.msg).toMatch(
    /^Refused \d+ messages since the last such line, the latest: This side speaks ztask\/1, the other \?\[2Jnonsense/,
  )
})
