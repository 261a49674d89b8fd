/**
 * What a task's arguments may be, decided by the compiler. The check asks one assignability question of a lazy type,
 * which is cheap and survives recursion; the sentence that explains a refusal is computed only once it has failed.
 */

type Primitive = string | number | bigint | boolean | null | undefined

/** Objects that have methods and still travel, since the codec knows each of them. */
type BuiltIn = Date | RegExp | ArrayBuffer | ArrayBufferView | OfPlatform<'URL' | 'URLSearchParams'>

/** Classes by their names, which an application knows only with @types/node or the DOM's types; without, there is none. */
type OfPlatform<Name extends string> = Name extends Name
  ? typeof globalThis extends Record<Name, { prototype: infer Instance }>
    ? Instance
    : never
  : never

// biome-ignore lint/complexity/noBannedTypes: only `Function` covers callables and constructors at once.
type AnyFunction = Function

/**
 * `T` where all of it can be sent, else a type that `T` is not assignable to. Arrays go by their element, as mapping
 * over a recursive array type never ends (TS2589).
 */
export type Sendable<T> = unknown extends T
  ? T
  : T extends Primitive | BuiltIn
    ? T
    : T extends symbol | AnyFunction
      ? never
      : T extends ReadonlyMap<infer K, infer V>
        ? ReadonlyMap<Sendable<K>, Sendable<V>>
        : T extends ReadonlySet<infer V>
          ? ReadonlySet<Sendable<V>>
          : T extends readonly unknown[]
            ? SendableList<T>
            : { readonly [K in keyof T]: Sendable<T[K]> }

type SendableList<T extends readonly unknown[]> = number extends T['length']
  ? readonly Sendable<T[number]>[]
  : { readonly [I in keyof T]: Sendable<T[I]> }

/** How deep an explanation looks; below that it only says that something is there. */
type Depth = 4

type Say<Path extends string, What extends string> = `${Path}: ${What}`

/** Why `T` cannot be sent, each reason starting with its path; `never` where there is none. */
type Why<T, Path extends string, D extends readonly 0[] = []> =
  T extends Sendable<T>
    ? never
    : D['length'] extends Depth
      ? Say<Path, 'something inside'>
      : T extends symbol
        ? Say<Path, 'a symbol'>
        : T extends AnyFunction
          ? Say<Path, 'a function'>
          : T extends PromiseLike<unknown>
            ? Say<Path, 'a promise'>
            : WhyInside<T, Path, [...D, 0]>

type WhyInside<T, Path extends string, D extends readonly 0[]> =
  T extends ReadonlyMap<infer K, infer V>
    ? Why<K, `${Path}.keys`, D> | Why<V, `${Path}.values`, D>
    : T extends ReadonlySet<infer V>
      ? Why<V, `${Path}.values`, D>
      : T extends WeakMap<WeakKey, unknown>
        ? Say<Path, 'a WeakMap'>
        : T extends WeakSet<WeakKey>
          ? Say<Path, 'a WeakSet'>
          : T extends readonly unknown[]
            ? WhyInList<T, Path, D>
            : { [K in keyof T & string]-?: Why<T[K], `${Path}.${K}`, D> }[keyof T & string]

/** What has a place of its own comes first; a rest or a plain array is named `[]`. */
type WhyInList<T extends readonly unknown[], Path extends string, D extends readonly 0[]> = [
  WhyAtPlaces<T, Path, D>,
] extends [never]
  ? Why<T[number], `${Path}[]`, D>
  : WhyAtPlaces<T, Path, D>

type WhyAtPlaces<T extends readonly unknown[], Path extends string, D extends readonly 0[]> = {
  [I in keyof T & `${number}`]-?: Why<T[I], `${Path}[${I}]`, D>
}[keyof T & `${number}`]

/** What a task becomes whose arguments cannot be sent: a type that no function has, and that says why. */
export interface Refused<Reason> {
  readonly 'This task cannot be sent': Reason
}

/**
 * `F` where a list of arguments `A` can be sent, else the reason.
 *
 * @example
 * IfSendable<[string], F>             // F
 * IfSendable<[{ save(): void }], F>   // Refused<'arguments[0].save: a function cannot be sent'>
 */
export type IfSendable<A extends readonly unknown[], F> =
  A extends Sendable<A> ? F : Refused<`${WhyInList<A, 'arguments', []>} cannot be sent`>

/** What the result of a task becomes that cannot be sent: a type that says why. */
export interface NotSent<Reason> {
  readonly 'This result cannot be sent': Reason
}

/**
 * `R` where it can be sent, else the reason.
 *
 * @example
 * IfSent<{ save(): void }> // NotSent<'result.save: a function'>
 */
export type IfSent<R> = [R] extends [Sendable<R>] ? R : NotSent<Why<R, 'result'>>
