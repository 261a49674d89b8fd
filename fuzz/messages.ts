/** What an attacker sends who can connect: from noise to messages that are right but for what is in them. */
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { VERBS } from '../src/wire/protocol.ts'

export type Frames = readonly (string | Uint8Array)[]

/** A message, its number where its answer repeats that, and where it enqueues the ids of the jobs in it, by their places. */
export interface Attack {
  readonly kind: string
  readonly frames: Frames
  readonly seq?: number
  readonly ids?: readonly unknown[]
}

const PROTOCOL = 'ztask/1'
export const PROJECT = 'fuzz'

const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'then',
  '',
  'work',
  'work ',
  '🦆',
  '\u0000',
  'x'.repeat(201),
]
const NUMBERS = [0, -0, -1, 0.5, 1e308, 2 ** 53, 2 ** 63, Number.MIN_VALUE, null, '1', true]
const ARGS = [
  '[]',
  '["x"]',
  '{"__proto__":{"polluted":1}}',
  '[{"__proto__":{"polluted":1}},{"constructor":{"prototype":{"polluted":1}}}]',
  'devalue:[[1],{"__proto__":2},3]',
  'devalue:[[1],["Map",2,3],"a",[0]]',
  'devalue:[1e9]',
  'devalue:nonsense',
  '[',
  '7',
  '',
  '['.repeat(10_000) + ']'.repeat(10_000),
]

const odd = fc.oneof(fc.constantFrom(...NAMES, ...NUMBERS), fc.jsonValue(), fc.string({ unit: 'binary' }))
const uuid = fc.uuid().map((id) => id.toLowerCase())

/** Jobs that could be taken among jobs that could not. @param known ids that others have used */
const jobs = (known: readonly string[]): fc.Arbitrary<unknown[]> => {
  const id = fc.oneof(
    { weight: 6, arbitrary: uuid },
    known.length > 0 ? fc.constantFrom(...known) : uuid,
    odd,
  )
  const task = fc.oneof({ weight: 6, arbitrary: fc.constant('work') }, fc.constantFrom(...NAMES), odd)
  const args = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...ARGS) }, odd)
  const time = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(0, 1, null) },
    fc.constantFrom(...NUMBERS),
    odd,
  )
  const job = fc.oneof(
    { weight: 8, arbitrary: fc.tuple(id, task, args) },
    fc.tuple(id, task, args, time),
    fc.tuple(id, task, args, fc.constant(null), time),
    odd,
  )
  return fc.array(job, { maxLength: 20 })
}

const params = fc.oneof(
  fc.record({ ids: fc.array(fc.oneof(uuid, odd), { maxLength: 5 }) }),
  fc.dictionary(fc.constantFrom('state', 'task', 'since', 'limit', 'id', 'ids', '__proto__'), odd),
  odd,
)

const body = (message: object): Frames => [PROTOCOL, JSON.stringify(message)]

/** Numbers that no envelope holds by chance begin here: those of a round's messages, and of the large ones. */
const FIRST = 2 ** 40
const FIRST_LARGE = 2 ** 41

/** @returns messages of one seed, each enqueue and each ask with a number of its own */
export const attacks = (seed: number, count: number, known: readonly string[]): Attack[] => {
  let seq = FIRST
  const enqueue = fc.tuple(jobs(known), fc.boolean()).map(([list, together]): Attack => {
    const message = {
      kind: 'enqueue',
      project: PROJECT,
      seq: ++seq,
      jobs: list,
      ...(together && { together }),
    }
    return {
      kind: together ? 'batch' : 'enqueue',
      frames: body(message),
      seq,
      ids: list.map((job) => (Array.isArray(job) ? job[0] : undefined)),
    }
  })
  const attack = fc.oneof(
    { weight: 6, arbitrary: enqueue },
    fc
      .array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 })
      .map((frames): Attack => ({ kind: 'noise', frames })),
    odd.map((value): Attack => ({ kind: 'json', frames: [PROTOCOL, JSON.stringify(value) ?? 'undefined'] })),
    fc
      .record({
        kind: fc.oneof(fc.constantFrom('hello', 'enqueue', 'ask', 'stored', '__proto__'), odd),
        project: odd,
        seq: odd,
        jobs: odd,
      })
      .map((message): Attack => ({ kind: 'envelope', frames: body(message) })),
    fc.tuple(fc.constantFrom(...VERBS), params).map(([verb, asked]): Attack => {
      const message = { kind: 'ask', project: PROJECT, seq: ++seq, verb, params: asked }
      return { kind: 'ask', frames: body(message), seq }
    }),
    fc.uint8Array({ minLength: 1, maxLength: 50 }).map(
      (bytes): Attack => ({
        kind: 'invalid UTF-8',
        frames: [
          PROTOCOL,
          Buffer.concat([Buffer.from(`{"kind":"hello","project":"`), bytes, Buffer.from('"}')]),
        ],
      }),
    ),
  )
  return fc.sample(attack, { seed, numRuns: count })
}

const KEYS = 1_000_000
const DEPTH = 200_000

/** Few and large: each takes the daemon tens of milliseconds to read. */
export const large = (): Attack[] => {
  const keys = Array.from({ length: KEYS }, (_, index) => `"k${index}":0`).join(',')
  const deep = '['.repeat(DEPTH) + ']'.repeat(DEPTH)
  let seq = FIRST_LARGE
  const envelope = (kind: string, jobs: string): Attack => {
    const text = `{"kind":"enqueue","project":"${PROJECT}","seq":${++seq},"jobs":${jobs}}`
    return { kind, frames: [PROTOCOL, text], seq }
  }
  const job = (args: string): string => JSON.stringify([[randomUUID(), 'work', args]])
  return [
    { kind: 'a million keys', frames: [PROTOCOL, `{"kind":"hello","project":"${PROJECT}",${keys}}`] },
    envelope('nested deep', deep),
    envelope('too large a job', job('x'.repeat(2 ** 21))),
    envelope('many jobs', `[${'0,'.repeat(200_000)}0]`),
  ]
}

const BULKY_IDS = Array.from({ length: 30 }, () => randomUUID())
/** Until long after the campaign, ms. */
const LATER = 86_400_000

/** Little to send and much to be told, for one who reads no answer: first the jobs that make a list large, then `count` asks. */
export const unread = (count: number): Attack[] => {
  const args = JSON.stringify(['x'.repeat(300_000)])
  const enqueue = (jobs: unknown[]): Frames => body({ kind: 'enqueue', project: PROJECT, seq: 2 ** 42, jobs })
  const bulky = BULKY_IDS.map((id): Attack => {
    return { kind: 'unread: bulky', frames: enqueue([[id, 'work', args, LATER]]), ids: [id] }
  })
  // Where none of them is stored one refusal speaks for all: one is.
  const refusals = enqueue([...Array(9999).fill(0), [BULKY_IDS[0], 'work', args, LATER]])
  const params = { limit: 10_000, page: true }
  const list = body({ kind: 'ask', project: PROJECT, seq: 2 ** 42, verb: 'list', params })
  const asks = Array.from({ length: count }, (_, at): Attack => {
    if (at % 20 === 0) return { kind: 'unread: refusals', frames: refusals }
    return { kind: 'unread: lists', frames: list }
  })
  return [...bulky, ...asks]
}
