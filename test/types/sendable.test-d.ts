/** What a task may take, and what a refusal says. Checked by tsc; nothing here is run. */
import { expectTypeOf } from 'vitest'
import { type Arg, task } from '../../src/index.ts'
import type { Refused } from '../../src/model/sendable.ts'

class Model {
  id = 1
  save(): void {}
}
class Row {
  readonly id: number = 1
}
declare enum Colour {
  Red = 1,
}
interface Named {
  name: string
  message: string
}

type Takes<A extends readonly unknown[]> = (...args: A) => void
type Accepted<A extends readonly unknown[]> = Arg<Takes<A>> extends Takes<A> ? true : false
type Says<A extends readonly unknown[]> = Arg<Takes<A>> extends Refused<infer Reason> ? Reason : 'accepted'

expectTypeOf<
  Accepted<
    [string, number, bigint, boolean, null, undefined, 'a' | 1, Colour, string & { readonly brand: 1 }]
  >
>().toEqualTypeOf<true>()
expectTypeOf<
  Accepted<
    [
      Date,
      RegExp,
      URL,
      URLSearchParams,
      ArrayBuffer,
      DataView,
      Buffer,
      Uint8Array,
      Float64Array,
      BigInt64Array,
    ]
  >
>().toEqualTypeOf<true>()
expectTypeOf<
  Accepted<[Map<string, Set<Date>>, ReadonlyMap<number, ReadonlySet<string>>, readonly [1, 'a'?], string[][]]>
>().toEqualTypeOf<true>()
expectTypeOf<
  Accepted<[Named, Record<string, unknown>, { a?: { b: Date | null } }, object, Row]>
>().toEqualTypeOf<true>()
expectTypeOf<Accepted<[unknown, never]>>().toEqualTypeOf<true>()
// biome-ignore lint/suspicious/noExplicitAny: that it is accepted is what is asserted
expectTypeOf<Accepted<[any, any[]]>>().toEqualTypeOf<true>()
expectTypeOf<Accepted<[]>>().toEqualTypeOf<true>()

expectTypeOf<Says<[string, () => void]>>().toEqualTypeOf<'arguments[1]: a function cannot be sent'>()
expectTypeOf<Says<[typeof Model]>>().toEqualTypeOf<'arguments[0]: a function cannot be sent'>()
expectTypeOf<Says<[symbol]>>().toEqualTypeOf<'arguments[0]: a symbol cannot be sent'>()
expectTypeOf<Says<[Promise<string>]>>().toEqualTypeOf<'arguments[0]: a promise cannot be sent'>()
expectTypeOf<Says<[WeakMap<Row, 1>]>>().toEqualTypeOf<'arguments[0]: a WeakMap cannot be sent'>()
expectTypeOf<Says<[WeakSet<Row>]>>().toEqualTypeOf<'arguments[0]: a WeakSet cannot be sent'>()
expectTypeOf<Says<[Model]>>().toEqualTypeOf<'arguments[0].save: a function cannot be sent'>()
expectTypeOf<
  Says<[string, { user: { save?: () => void } }]>
>().toEqualTypeOf<'arguments[1].user.save: a function cannot be sent'>()
expectTypeOf<Says<[a?: { of: symbol }]>>().toEqualTypeOf<'arguments[0].of: a symbol cannot be sent'>()
expectTypeOf<Says<[string, ...symbol[]]>>().toEqualTypeOf<'arguments[]: a symbol cannot be sent'>()
expectTypeOf<Says<[symbol, ...string[]]>>().toEqualTypeOf<'arguments[0]: a symbol cannot be sent'>()
expectTypeOf<Says<readonly symbol[]>>().toEqualTypeOf<'arguments[]: a symbol cannot be sent'>()
expectTypeOf<
  Says<[Map<string, Model[]>]>
>().toEqualTypeOf<'arguments[0].values[].save: a function cannot be sent'>()
expectTypeOf<Says<[Set<[1, symbol]>]>>().toEqualTypeOf<'arguments[0].values[1]: a symbol cannot be sent'>()
expectTypeOf<Says<[string | Model]>>().toEqualTypeOf<'arguments[0].save: a function cannot be sent'>()
expectTypeOf<Says<[symbol, Model]>>().toEqualTypeOf<
  'arguments[0]: a symbol cannot be sent' | 'arguments[1].save: a function cannot be sent'
>()
expectTypeOf<
  Says<[{ a: { b: { c: { d: { e: symbol } } } } }]>
>().toEqualTypeOf<'arguments[0].a.b.c.d: something inside cannot be sent'>()

interface Linked {
  next?: Linked
  run(): void
}
expectTypeOf<Says<[Linked]>>().toExtend<string>()

// A refused task stays what it is, so that one mistake is one error: it never becomes any.
// @ts-expect-error arguments[0].save: a function cannot be sent
export const refused = task((model: Model, to: string) => ({ model, to }))
expectTypeOf(refused).not.toBeAny()
expectTypeOf(refused(new Model(), 'a')).toEqualTypeOf<{ model: Model; to: string }>()
// @ts-expect-error its arguments are still checked
refused(1)

// @ts-expect-error arguments[1]: a function cannot be sent
export const refusedGeneric = task(<T>(one: T, make: () => T): T => make() ?? one)
expectTypeOf(refusedGeneric).not.toBeAny()

// @ts-expect-error arguments[0]: a symbol cannot be sent
export const refusedNamed = task({ name: 'refusedNamed' }, (one: symbol) => one)
expectTypeOf(refusedNamed.async).not.toBeAny()
