import { inspect, isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import { parse, stringify } from 'devalue'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { storedJobs } from '../../src/client/handle.ts'
import * as errors from '../../src/model/errors.ts'
import { UnserializableArgumentError, ZtaskError } from '../../src/model/errors.ts'
import { decodeArgs, encodeArgs } from '../../src/wire/codec.ts'

const roundTrip = (args: readonly unknown[]): unknown[] => decodeArgs(encodeArgs(args))

/** Deeply equal, of the same prototypes, and the same objects met twice: in both directions of the same walk. */
const expectExact = (args: readonly unknown[]): void => {
  const back = roundTrip(args)
  if (!isDeepStrictEqual(back, args)) expect(back).toStrictEqual(args)
  expect(isDeepStrictEqual(back, args)).toBe(true)
}

const refusal = (...args: unknown[]): UnserializableArgumentError => {
  try {
    encodeArgs(args)
  } catch (error) {
    if (error instanceof UnserializableArgumentError) return error
    throw error
  }
  throw new Error('It was encoded.')
}

const buffer = fc.uint8Array().map((bytes) => Buffer.from(bytes))
const url = fc.webUrl({ withQueryParameters: true }).map((href) => new URL(href))
const regExp = fc.constantFrom(/a/, /[<>"]\u2028/giu, /(?<year>\d{4})/v)
const leaf = fc.oneof(
  buffer,
  url,
  regExp,
  fc.constant(undefined),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
)

const rich = fc.anything({
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withObjectString: true,
  withSparseArray: true,
  withTypedArray: true,
  withUnicodeString: true,
  values: [fc.string({ unit: 'binary' }), fc.double(), fc.boolean(), fc.constant(null), leaf],
  key: fc.oneof(fc.string(), fc.constantFrom('__proto__', '~__proto__', 'constructor', 'toString', '0', '')),
})
const args = fc.array(rich, { maxLength: 4 })

describe('the codec carries every value exactly', () => {
  test('whatever it is: a property', () => {
    fc.assert(fc.property(args, expectExact), { numRuns: 2000 })
  })

  test('objects met twice, and cycles, stay one object: a property', () => {
    fc.assert(
      fc.property(fc.object({ key: fc.string() }), rich, (object, other) => {
        const list: unknown[] = [object, { again: object, other }]
        list.push(list)
        const back = roundTrip(list) as [unknown, { again: unknown }, unknown]
        expect(back[1].again).toBe(back[0])
        expect(back[2]).toBe(back)
        expect(isDeepStrictEqual(back, list)).toBe(true)
      }),
    )
  })

  test('text is JSON exactly where JSON gives the same back: a property', () => {
    fc.assert(
      fc.property(args, (list) => {
        const json = JSON.stringify(list, (_key, value) =>
          typeof value === 'bigint' ? String(value) : value,
        )
        expect(encodeArgs(list).startsWith('[')).toBe(isDeepStrictEqual(JSON.parse(json), list))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['nothing', []],
    ['a lone surrogate and what HTML minds', ['\ud800</script>\u2028\0']],
    ['minus zero', [-0, [-0]]],
    ['undefined, alone and inside', [undefined, { a: undefined }, [undefined]]],
    ['holes', [new Array(3), Object.assign([], { 5: 'x' })]],
    ['a date that is none', [new Date(Number.NaN)]],
    ['an object without a prototype', [Object.assign(Object.create(null), { a: 1 })]],
    ['a Buffer', [Buffer.from('abc'), Buffer.alloc(0)]],
    ['views of parts', [new Uint16Array(new ArrayBuffer(16), 4, 2), new DataView(new ArrayBuffer(9), 3)]],
    ['BigInt and boxed values', [2n ** 70n, Object(1n), Object('ab'), Object(false), Object(-0)]],
    ['maps of maps', [new Map([[new Set([1]), new Map([[{ a: 1 }, /x/g]])]])]],
    ['a URL and its parameters', [new URL('https://a.b/?q=%20#h'), new URLSearchParams('a=1&a=2&b=%F0%9F')]],
  ])('%s', (_what, list) => expectExact(list))

  test('ordinary arguments are readable in the database', () => {
    expect(encodeArgs(['a@b.c', 'Hi', { tags: ['x'], urgent: true, at: null }])).toBe(
      '["a@b.c","Hi",{"tags":["x"],"urgent":true,"at":null}]',
    )
  })

  test('a getter is sent as its value, and by devalue', () => {
    const text = encodeArgs([Object.defineProperty({}, 'now', { get: () => 5, enumerable: true })])
    expect(text).toMatch(/^devalue:/)
    expect(decodeArgs(text)).toStrictEqual([{ now: 5 }])
  })

  test('a toJSON that is inherited or hidden does not change what arrives', () => {
    const hidden = Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'lost' })
    expect(roundTrip([hidden])).toStrictEqual([{ a: 1 }])
    expect(roundTrip([{ toJSON: 'data' }])).toStrictEqual([{ toJSON: 'data' }])
  })

  test('objects of another realm count as this one, which is what jest needs', () => {
    const foreign = runInNewContext('[[1], { a: new Date(5), m: new Map([[1, 2]]), b: new Uint8Array([7]) }]')
    expect(roundTrip(foreign)).toStrictEqual([
      [1],
      { a: new Date(5), m: new Map([[1, 2]]), b: new Uint8Array([7]) },
    ])
    expect(encodeArgs(runInNewContext('[[1], { a: 2 }]'))).toBe('[[1],{"a":2}]')
  })

  test('the bytes of a pool stay at home', () => {
    const pooled = Buffer.from('abc')
    const view = new Uint8Array(pooled.buffer, pooled.byteOffset, 3)
    expect(encodeArgs([pooled]).length).toBeLessThan(80)
    expect(encodeArgs([view]).length).toBeLessThan(80)
    const [back] = roundTrip([pooled])
    expect(Buffer.isBuffer(back) && back.toString()).toBe('abc')
  })
})

describe('a __proto__ key is data', () => {
  const parsed = JSON.parse('{"__proto__":{"admin":true},"~__proto__":1,"~~__proto__":2}')

  test.each([
    ['in JSON', [parsed]],
    ['in devalue', [parsed, new Date(0)]],
    ['in devalue, without a prototype', [Object.setPrototypeOf(JSON.parse('{"__proto__":1}'), null)]],
  ])('%s', (_form, list) => {
    expectExact(list)
    const [back] = roundTrip(list) as [object]
    expect(Object.hasOwn(back, '__proto__')).toBe(true)
    expect(Object.getPrototypeOf(back)).toBe(Object.getPrototypeOf(list[0]))
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  test.each(['[{"__proto__":{"admin":true}}]', 'devalue:[[1],{"~__proto__":2},{"admin":3},true]'])(
    '%s changes no prototype',
    (text) => {
      const [back] = decodeArgs(text) as [{ admin?: boolean }]
      expect(back.admin).toBeUndefined()
      expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    },
  )
})

class User {
  readonly name = 'Ann'
}
const save = (): void => {}
const stepped = /a/g
stepped.test('a')

describe('what cannot be carried is refused with its place', () => {
  test.each<[string, unknown[]]>([
    [
      'arguments[1].user.save: a function cannot be sent. Pass an id and load it in the task.',
      [1, { user: { save } }],
    ],
    ['arguments[0]: a symbol cannot be sent. Pass a string.', [Symbol('x')]],
    ['arguments[0][1]: a promise cannot be sent. Await it first.', [[0, Promise.resolve()]]],
    [
      'arguments[0]["first name"]: an instance of the class User cannot be sent.',
      [{ 'first name': new User() }],
    ],
    ['arguments[0]: a WeakMap cannot be sent.', [new WeakMap()]],
    ['arguments[0]: an Error cannot be sent.', [new Error('x')]],
    ['arguments[0].get("ann").save: a function cannot be sent.', [new Map([['ann', { save }]])]],
    ['arguments[0].keys[0]: a symbol cannot be sent.', [new Map([[Symbol('x'), 1]])]],
    ['arguments[0].values[1]: a function cannot be sent.', [new Set([1, save])]],
    ["arguments[0]: an array with the property 'groups' cannot be sent.", ['a'.match(/a/)]],
    [
      "arguments[0]: a Date with the property 'zone' cannot be sent.",
      [Object.assign(new Date(), { zone: 1 })],
    ],
    ['arguments[0]: an object with the key Symbol(x) cannot be sent.', [{ [Symbol('x')]: 1 }]],
    ['arguments[0]: an object with a prototype of its own cannot be sent.', [Object.create({ a: 1 })]],
    [
      'arguments[0]: an object with a prototype of its own cannot be sent.',
      [Object.create(Object.assign(Object.create(null), { a: 1 }))],
    ],
    ['arguments[0]: an instance of the class Pile cannot be sent.', [new (class Pile extends Array {})()]],
    ['arguments[0]: an instance of a nameless class cannot be sent.', [new (class {})()]],
    ['arguments[0]: a Module cannot be sent.', [errors]],
    ['arguments[0]: a Math cannot be sent.', [Math]],
    ['arguments[0]: a Generator cannot be sent.', [(function* () {})()]],
    ['arguments[0]: a SharedArrayBuffer cannot be sent.', [new Uint8Array(new SharedArrayBuffer(1))]],
    ['arguments[0]: a RegExp with a lastIndex cannot be sent.', [stepped]],
    ['arguments[0]: an object with a prototype of its own cannot be sent.', [Object.create(Date.prototype)]],
  ])('%s', (message, list) => {
    const error = refusal(...list)
    expect(error.message).toContain(message)
    expect(error.data).toMatchObject({ path: message.slice(0, message.indexOf(':')) })
  })

  test('a list without end, or as deep as one', () => {
    let deep: unknown = []
    for (let i = 0; i < 100_000; i++) deep = [deep]
    expect(refusal(deep).message).toMatch(/^arguments(\[0\]){30}…: what is nested too deeply cannot be sent/)
    expect(encodeArgs([new Array(4e9)])).toBe('devalue:[[1],[-7,4000000000]]')
  })

  test('five hundred levels do pass, in either form', () => {
    let deep: unknown = []
    for (let i = 0; i < 498; i++) deep = { deep }
    expectExact([deep])
    expectExact([deep, undefined])
  })

  test('what throws when it is read', () => {
    const thrower = Object.defineProperty({}, 'x', {
      get: () => {
        throw new Error('no')
      },
      enumerable: true,
    })
    expect(refusal({ a: thrower }).message).toContain(
      'arguments[0].a.x: what cannot be read cannot be sent (no).',
    )
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(refusal(proxy).message).toContain('arguments[0]: what cannot be read')
  })

  test('what answers differently each time', () => {
    let times = 0
    const moody = Object.defineProperty({}, 'x', { get: () => (times++ === 0 ? 1 : save), enumerable: true })
    expect(refusal(moody).message).toContain('arguments: what changes while it is read')
  })

  test('nothing else is ever thrown: a property', () => {
    const odd = fc.constantFrom<unknown>(
      save,
      User,
      new User(),
      Symbol.iterator,
      new WeakSet(),
      globalThis,
      new Proxy([], {}),
      Object.create(Map.prototype),
      Object.create(URL.prototype),
      Object.setPrototypeOf([1], Object.prototype),
      Object.setPrototypeOf(new Date(), Map.prototype),
      Object.setPrototypeOf(new Uint8Array(2), Int16Array.prototype),
      Object.assign(new Map(), { extra: 1 }),
      Object.assign(Object('ab'), { extra: 1 }),
      import.meta,
    )
    const tree = fc.array(fc.oneof(odd, rich, fc.dictionary(fc.string(), odd), fc.array(odd)), {
      minLength: 1,
    })
    fc.assert(
      fc.property(tree, (list) => {
        try {
          expectExact(list)
        } catch (error) {
          expect(error).toBeInstanceOf(UnserializableArgumentError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('text that nobody encoded', () => {
  test.each([
    '',
    '{',
    '{"a":1}',
    '5',
    'devalue:',
    'devalue:[[9]]',
    'devalue:-1',
    'devalue:[["Nope",1]]',
    'x'.repeat(1e6),
  ])('is an error that shows its start', (text) => {
    expect(() => decodeArgs(text)).toThrow(ZtaskError)
    expect(() => decodeArgs(text)).toThrow(/^These arguments cannot be read: "/)
  })

  test('is a ZtaskError or a list, whatever it is: a property', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((json) => `devalue:${json}`),
        ),
        (text) => {
          try {
            expect(Array.isArray(decodeArgs(text))).toBe(true)
          } catch (error) {
            expect(error).toBeInstanceOf(ZtaskError)
          }
        },
      ),
    )
  })
})

test('the handle of a job is data: its id and whether it was only logged', () => {
  const job = storedJobs({ ask: async () => {}, result: async () => {}, watch: () => expect.unreachable() })(
    'the id',
    't',
  )
  const data = { id: 'the id', disabled: false }
  expect(encodeArgs([job])).toBe(JSON.stringify([data]))
  expect(decodeArgs(encodeArgs([job, new Date(0)]))).toStrictEqual([data, new Date(0)])
  expect(JSON.parse(JSON.stringify(job))).toEqual(data)
  expect(Object.keys(job)).toEqual(['id', 'disabled'])
  // Whoever else passes it on takes it for what it is.
  expect(parse(stringify(job))).toStrictEqual(data)
  expect(structuredClone(job)).toEqual(data)
  expect(inspect(job)).toBe("JobHandle { id: 'the id', disabled: false }")
  expect(String(job)).toBe('[object Object]')
  // What only looks like one is none.
  expect(() => encodeArgs([Object.create(job)])).toThrow('an object with a prototype of its own')
})

test('a method of a handle that is called without it says so', async () => {
  const job = storedJobs({ ask: async () => {}, result: async () => {}, watch: () => expect.unreachable() })(
    'the id',
    't',
  )
  const { result, status, progress } = job
  const message = /without its handle.*getJob\(job\.id\)/
  for (const call of [() => result(), () => status(), () => new Proxy(job, {}).result()])
    await expect(call()).rejects.toThrow(message)
  expect(() => progress()).toThrow(message)
})
