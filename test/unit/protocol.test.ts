import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/model/errors.ts'
import {
  type ClientMessage,
  checkJob,
  checkOptions,
  encode,
  MOST_TOGETHER,
  PROTOCOL,
  readClientMessage,
  VERBS,
  type WireJob,
} from '../../src/wire/protocol.ts'

const frames = (...parts: (string | Uint8Array)[]): Uint8Array[] => parts.map((part) => Buffer.from(part))
const read = (body: string): ClientMessage => readClientMessage(frames(PROTOCOL, body))

/** @returns what was read, or the error; any error but ours fails the test. */
const attempt = (parts: readonly Uint8Array[]): ClientMessage | ProtocolError => {
  try {
    return readClientMessage(parts)
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError)
    return error as ProtocolError
  }
}

const json = fc.jsonValue({ maxDepth: 4 })
const almost = fc.record(
  {
    kind: fc.oneof(
      fc.constantFrom(
        'hello',
        'enqueue',
        'ask',
        'await',
        'watch',
        'seen',
        'welcome',
        '',
        'toString',
        '__proto__',
      ),
      json,
    ),
    project: fc.oneof(fc.string(), json),
    seq: fc.oneof(fc.integer(), fc.double(), json),
    jobs: fc.oneof(fc.array(json), fc.array(fc.tuple(fc.uuid(), fc.double({ max: 1e6 }))), json),
    ids: fc.oneof(fc.array(fc.oneof(fc.uuid(), json)), json),
    verb: fc.oneof(fc.constantFrom(...VERBS, 'drop', 'toString', '__proto__'), json),
    params: json,
  },
  { requiredKeys: [] },
)

const expectMessage = (message: ClientMessage): void => {
  expect(typeof message.project).toBe('string')
  expect(['hello', 'enqueue', 'ask', 'await', 'watch', 'seen']).toContain(message.kind)
  if (message.kind === 'hello') return
  if (message.kind === 'seen' || message.kind === 'await' || message.kind === 'watch') {
    const ids = message.kind === 'seen' ? message.ids : message.jobs.map(([id]) => id)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/)
    if (message.kind !== 'seen') for (const [, wait] of message.jobs) expect(wait).toBeGreaterThanOrEqual(0)
    return
  }
  expect(Number.isSafeInteger(message.seq)).toBe(true)
  if (message.kind === 'enqueue') expect(Array.isArray(message.jobs)).toBe(true)
  else expect(VERBS).toContain(message.verb)
}

describe('what a client sends', () => {
  test('reads back what was written', () => {
    const messages: ClientMessage[] = [
      { kind: 'hello', project: 'shop' },
      { kind: 'enqueue', project: 'shop', seq: 1, jobs: [['id', 't', '[]', 5]] },
      { kind: 'ask', project: 'shop', seq: 2, verb: 'status', params: { id: 'ü' } },
    ]
    for (const message of messages) expect(readClientMessage(frames(...encode(message)))).toEqual(message)
  })

  test('any bytes in any number of frames: a ProtocolError, or a message', () => {
    const part = fc.oneof(
      fc.uint8Array(),
      fc.constant(Buffer.from(PROTOCOL)),
      json.map((v) => Buffer.from(JSON.stringify(v))),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const got = attempt(parts)
        if (!(got instanceof ProtocolError)) expectMessage(got)
      }),
      { numRuns: 2000 },
    )
  })

  test('what nearly is a message: only what is one is read', () => {
    let read = 0
    fc.assert(
      fc.property(almost, (body) => {
        const got = attempt(frames(PROTOCOL, JSON.stringify(body)))
        if (got instanceof ProtocolError) return
        expectMessage(got)
        read++
      }),
      { numRuns: 5000 },
    )
    expect(read).toBeGreaterThan(10)
  })

  test('a kind that is nested a hundred thousand deep is refused like any other', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    expect(attempt(frames(PROTOCOL, `{"project":"shop","kind":${deep}}`))).toBeInstanceOf(ProtocolError)
  })

  test.each([
    [['ztask/2', '{}'], { ours: PROTOCOL, theirs: 'ztask/2' }],
    [['ztask/10', '{}'], { ours: PROTOCOL, theirs: 'ztask/10' }],
    [['', '{}'], { ours: PROTOCOL, theirs: '' }],
  ])('another version names both: %j', ([name = '', body = ''], data) => {
    const error = attempt(frames(name, body)) as ProtocolError
    expect(error).toMatchObject({ code: 'ZTASK_PROTOCOL', data })
    expect(error.message).toContain(`speaks ${PROTOCOL}`)
    expect(error.message).toContain(data.theirs)
  })

  test('the version is seen before anything else, and a long one is cut', () => {
    const error = attempt(frames('x'.repeat(5000), 'no JSON')) as ProtocolError
    expect(error.data).toEqual({ ours: PROTOCOL, theirs: 'x'.repeat(32) })
  })

  test.each([
    ['hello', '{"kind":"hello"}'],
    ['a project that is no text', '{"kind":"hello","project":1}'],
    ['no seq', '{"kind":"enqueue","project":"p","jobs":[]}'],
    ['a seq that is no whole number', '{"kind":"enqueue","project":"p","seq":1.5,"jobs":[]}'],
    ['a seq beyond the exact ones', '{"kind":"enqueue","project":"p","seq":9007199254740993,"jobs":[]}'],
    ['jobs that are no list', '{"kind":"enqueue","project":"p","seq":1,"jobs":{"length":1}}'],
    ['a verb that is none', '{"kind":"ask","project":"p","seq":1,"verb":"drop"}'],
    ['a list', '[]'],
    ['null', 'null'],
    ['no JSON', '{'],
    ['nothing', ''],
  ])('refuses %s', (_, body) => {
    expect(() => read(body)).toThrow(ProtocolError)
  })

  test.each([0, 1, 3])('refuses %i frames', (count) => {
    const all = frames(PROTOCOL, '{"kind":"hello","project":"p"}', 'more')
    expect(() => readClientMessage(all.slice(0, count))).toThrow(`this one has ${count}`)
  })

  test('reads its own part of a buffer that it shares', () => {
    const shared = Buffer.from(`junk${PROTOCOL}{"kind":"hello","project":"p"}junk`)
    const parts = [shared.subarray(4, 11), shared.subarray(11, -4)]
    expect(readClientMessage(parts)).toEqual({ kind: 'hello', project: 'p' })
  })
})

const ID = '0195a1b2-0000-7000-8000-000000000001'
/** Where `at` and `after` may end: the last moment that a Date can tell. */
const LATEST = 8.64e15

describe('a job on the wire', () => {
  test.each<readonly [string, WireJob]>([
    ['now', [ID, 'sendEmail', '[]']],
    ['at once', [ID, 'sendEmail', '[]', 0]],
    ['in a while', [ID, 'sendEmail', '[]', 5000.5]],
    ['at a date', [ID, 'sendEmail', '[]', null, 1_900_000_000_000]],
  ])('is one: %s', (_, job) => {
    expect(checkJob(job)).toBeUndefined()
  })

  test.each([
    ['no list', { 0: ID, 1: 't', 2: '[]', length: 3 }],
    ['an id that is none', ['x', 't', '[]']],
    ['an id in capitals', [ID.toUpperCase(), 't', '[]']],
    ['an id with more behind it', [`${ID}\n`, 't', '[]']],
    ['no task', [ID]],
    ['an empty task', [ID, '', '[]']],
    ['a long task', [ID, 't'.repeat(201), '[]']],
    ['no arguments', [ID, 't']],
    ['arguments that are no text', [ID, 't', []]],
    ['a delay below nothing', [ID, 't', '[]', -1]],
    ['a delay that is text', [ID, 't', '[]', '5']],
    ['a delay and a date', [ID, 't', '[]', 5, 5]],
    ['a date beyond all dates', [ID, 't', '[]', null, LATEST + 1]],
    ['more than belongs to a job', [ID, 't', '[]', null, 5, 6, {}, 8]],
    ['an option that is none', [ID, 't', '[]', null, null, null, { retries: 1 }]],
    ['an option that cannot be', [ID, 't', '[]', null, null, null, { timeout: -1 }]],
    ['options that are a list', [ID, 't', '[]', null, null, null, []]],
    ['a wait that is none', [ID, 't', '[]', null, null, 'long']],
    ['a wait that never ends', [ID, 't', '[]', null, null, 1e12]],
  ])('is none: %s', (_, job) => {
    expect(checkJob(job)).toMatchObject({ code: 'ZTASK_PROTOCOL', message: expect.stringMatching(/\.$/) })
  })

  test('with a delay that ends beyond all dates is none: no list could show when it is due', () => {
    const after = LATEST - 1000
    const refused = checkJob([ID, 't', '[]', after]) !== undefined
    expect(refused || !Number.isNaN(new Date(Date.now() + after).getTime())).toBe(true)
  })

  test('whatever stands in its place: no job but a job, and nothing is thrown', () => {
    const time = fc.oneof(fc.constant(null), fc.double(), fc.integer(), fc.constant(undefined), json)
    const nearly = fc.tuple(
      fc.oneof(fc.uuid(), fc.string(), json),
      fc.oneof(fc.string(), json),
      fc.oneof(fc.string(), json),
      time,
      time,
    )
    let accepted = 0
    fc.assert(
      fc.property(
        fc.oneof({ weight: 4, arbitrary: nearly }, { weight: 1, arbitrary: fc.anything() }),
        (job) => {
          if (checkJob(job) !== undefined) return
          accepted++
          const [id, task, args, after = null, at = null] = job as unknown[]
          expect(id).toMatch(/^[0-9a-f-]{36}$/)
          expect(typeof task).toBe('string')
          expect(typeof args).toBe('string')
          const due = Math.round(Number(at ?? Number(after ?? 0)))
          expect(Number.isNaN(new Date(due).getTime())).toBe(false)
          expect(due).toBeGreaterThanOrEqual(0)
        },
      ),
      { numRuns: 5000 },
    )
    expect(accepted).toBeGreaterThan(10)
  })
})

test('a batch of the most jobs is read, with options for all of them, which are no part of each', () => {
  const jobs = Array.from({ length: MOST_TOGETHER }, () => [ID, 't', '["a@b.c"]'])
  const options = { retryCount: 0, timeout: 5, expiresIn: 5, retryAfter: [1, 2, 3] }
  const message = { kind: 'enqueue', project: 'p', seq: 1, together: true, options, jobs }
  expect(attempt(frames(PROTOCOL, JSON.stringify(message)))).toMatchObject({ kind: 'enqueue', options })
})

test('what is told of wrong options is bounded, and not remembered', () => {
  const long = 'x'.repeat(100_000)
  const fault = checkOptions({ [long]: 1 })
  expect(fault?.message.length).toBeLessThan(600)
  expect(checkOptions({ retryCount: long })?.message.length).toBeLessThan(600)
  expect(checkJob([ID, 't', '[]', null, null, null, { [long]: 1 }])).not.toBe(
    checkJob([ID, 't', '[]', null, null, null, { [long]: 1 }]),
  )
})

test('a large message of countless values is refused before it is read', () => {
  const keys = Array.from({ length: 900_000 }, (_, index) => `"k${index}\\\\":0`).join(',')
  const hello = (rest: string): Buffer => Buffer.from(`{"kind":"hello","project":"p",${rest}}`)
  const read = (body: Buffer): unknown => readClientMessage([Buffer.from('ztask/1'), body])
  expect(() => read(hello(keys))).toThrow(/at most 800100 values/)
  expect(() => read(hello(`"x":[${'[],'.repeat(1_000_000)}0]`))).toThrow(/at most 800100 values/)
  // Within a text nothing counts, whatever it is.
  const text = JSON.stringify('[],{"":"\\'.repeat(300_000))
  expect(read(hello(`"x":${text}`))).toMatchObject({ kind: 'hello' })
})
