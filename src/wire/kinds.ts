/** What a value is, told by its prototype and checked by what it holds inside, as a prototype can be borrowed. */
import { types } from 'node:util'
import { DATA } from '../model/task.ts'

/** The built-in types that devalue, with what codec.ts adds, gives back exactly; and whether an object is really one. */
const BUILT_IN: Readonly<Record<string, (value: object) => boolean>> = {
  // `arguments`, Math and a module's namespace have a plain object's prototype, or none, and another tag.
  Object: (value) => isPlain(value),
  Array: Array.isArray,
  Date: types.isDate,
  RegExp: types.isRegExp,
  Map: types.isMap,
  Set: types.isSet,
  Number: types.isNumberObject,
  String: types.isStringObject,
  Boolean: types.isBooleanObject,
  BigInt: types.isBigIntObject,
  URL: (value) => typeof (value as URL).href === 'string',
  URLSearchParams: (value) => typeof (value as URLSearchParams).size === 'number',
  ArrayBuffer: types.isArrayBuffer,
  DataView: types.isDataView,
  Buffer: types.isUint8Array,
}

const VIEWS = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Float16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
]

const tagOf = (value: object): string => Object.prototype.toString.call(value)

const isPlain = (value: object): boolean => tagOf(value) === '[object Object]'

const isReally = (value: object, kind: string): boolean =>
  BUILT_IN[kind]?.(value) ??
  (types.isTypedArray(value) && (value as { [Symbol.toStringTag]: string })[Symbol.toStringTag] === kind)

const NAMES: ReadonlySet<string> = new Set([...Object.keys(BUILT_IN), ...VIEWS])

// Float16Array is not in every Node this runs on.
const BY_PROTOTYPE: ReadonlyMap<object, string> = new Map(
  [...NAMES].flatMap((name) => {
    const type: unknown = Reflect.get(globalThis, name)
    return typeof type === 'function' ? [[type.prototype as object, name] as const] : []
  }),
)

/**
 * @returns the name of the built-in type that `value` is an instance of, `'null'` for an object without a prototype,
 * `undefined` for everything that cannot be carried. Types of another realm (node:vm, and so jest) count as this one's.
 */
export const kindOf = (value: object): string | undefined => {
  const prototype: object | null = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) return isPlain(value) ? 'Object' : undefined
  if (prototype === Array.prototype) return Array.isArray(value) ? 'Array' : undefined
  if (prototype === null) return isPlain(value) ? 'null' : undefined
  if (Object.hasOwn(prototype, DATA)) return isPlain(value) ? 'Object' : undefined
  const kind = BY_PROTOTYPE.get(prototype) ?? foreignKind(prototype)
  return kind !== undefined && isReally(value, kind) ? kind : undefined
}

const constructorOf = (prototype: object): ((...args: never) => unknown) | undefined => {
  const found: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
  return typeof found === 'function' && found.prototype === prototype ? (found as () => unknown) : undefined
}

const isNative = (type: (...args: never) => unknown): boolean =>
  /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(type))

const foreignKind = (prototype: object): string | undefined => {
  const type = constructorOf(prototype)
  return type !== undefined && NAMES.has(type.name) && isNative(type) ? type.name : undefined
}

/** @returns the words for an object that cannot be carried: `a WeakMap`, `an instance of the class User`. */
export const describe = (value: object): string => {
  if (types.isPromise(value) || typeof (value as { then?: unknown }).then === 'function') return 'a promise'
  const type = constructorOf(Object.getPrototypeOf(value) ?? {})
  if (type !== undefined && !isNative(type))
    return type.name === '' ? 'an instance of a nameless class' : `an instance of the class ${type.name}`
  const tag = tagOf(value).slice(8, -1)
  const name = type === undefined || NAMES.has(type.name) ? tag : type.name
  if (name === 'Object') return 'an object with a prototype of its own'
  return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`
}
