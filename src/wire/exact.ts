/**
 * Looks through a call's arguments once: what nothing can carry is refused with its path, and the rest is JSON where
 * JSON gives back exactly the same. Whatever is not recognised is refused: a class instance that arrives as a plain
 * object loses its methods in the worker, where nobody looks.
 */
import { types } from 'node:util'
import { UnserializableArgumentError } from '../model/errors.ts'
import { describe, kindOf } from './kinds.ts'

/** Deep enough for data; below the depth at which recursion runs out of stack, here or in a worker. */
const MAX_DEPTH = 500
const SHOWN_STEPS = 30

/** A key, an index, or a step that is neither, in the form in which it is shown. */
type Step = string | number | { readonly text: string }
type Keyed = Readonly<Record<string, unknown>>

interface Walk {
  /** Where the walk is. */
  readonly path: Step[]
  readonly seen: Set<object>
  json: boolean
}

/**
 * @returns whether JSON carries these arguments exactly
 * @throws UnserializableArgumentError for what neither JSON nor devalue carries
 */
export const survey = (args: readonly unknown[]): boolean => {
  const walk: Walk = { path: [], seen: new Set(), json: true }
  try {
    visit(args, walk)
  } catch (cause) {
    if (cause instanceof UnserializableArgumentError) throw cause
    refuse(walk.path, 'what cannot be read', cause)
  }
  return walk.json
}

/** @throws UnserializableArgumentError always: `what` sits at `path` and cannot be sent. */
export function refuse(path: readonly Step[], what: string, cause?: unknown): never {
  const place = `arguments${path.slice(0, SHOWN_STEPS).map(rendered).join('')}${path.length > SHOWN_STEPS ? '…' : ''}`
  const cure = CURES[what] ?? 'Pass an id and load it in the task.'
  const reason = cause instanceof Error ? ` (${cause.message})` : ''
  throw new UnserializableArgumentError(
    `${place}: ${what} cannot be sent${reason}. ${cure}`,
    { path: place, what },
    { cause },
  )
}

const CURES: Readonly<Record<string, string>> = {
  'a promise': 'Await it first.',
  'a symbol': 'Pass a string.',
  'what is nested too deeply': `Pass at most ${MAX_DEPTH} levels, or an id and load it in the task.`,
}

const rendered = (key: Step): string => {
  if (typeof key === 'object') return key.text
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}

const visit = (value: unknown, walk: Walk): void => {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return
    case 'number':
      if (!Number.isFinite(value) || Object.is(value, -0)) walk.json = false
      return
    case 'object':
      if (value !== null) visitObject(value, walk)
      return
    case 'function':
    case 'symbol':
      refuse(walk.path, `a ${typeof value}`)
      break
    default:
      walk.json = false
  }
}

const visitObject = (value: object, walk: Walk): void => {
  if (walk.seen.has(value)) {
    walk.json = false
    return
  }
  walk.seen.add(value)
  if (walk.path.length > MAX_DEPTH) refuse(walk.path, 'what is nested too deeply')
  const kind = kindOf(value)
  if (kind !== 'Object' && kind !== 'Array') walk.json = false
  if (kind === 'Array') visitArray(value as unknown[], walk)
  else if (kind === 'Object' || kind === 'null') visitPlain(value as Keyed, walk)
  else visitBuiltIn(value, kind, walk)
}

const visitPlain = (value: Keyed, walk: Walk): void => {
  refuseSymbols(value, walk)
  // A toJSON that is a property of its own is refused below, as any function.
  if (typeof value.toJSON === 'function') walk.json = false
  for (const key of Object.keys(value)) {
    if (Object.getOwnPropertyDescriptor(value, key)?.get !== undefined) walk.json = false
    walk.path.push(key)
    visit(value[key], walk)
    walk.path.pop()
  }
}

const visitArray = (list: readonly unknown[], walk: Walk): void => {
  refuseSymbols(list, walk)
  const keys = Object.keys(list)
  const last = keys.at(-1)
  // Indices come first in the order of keys: so a last key that is one means that all are.
  if (last !== undefined && !isIndex(last)) refuse(walk.path, `an array with the property '${last}'`)
  if (keys.length !== list.length || 'toJSON' in list) walk.json = false
  for (const key of keys) {
    const index = Number(key)
    walk.path.push(index)
    visit(list[index], walk)
    walk.path.pop()
  }
}

const isIndex = (key: string): boolean => String(Number(key) >>> 0) === key && key !== '4294967295'

const refuseSymbols = (value: object, walk: Walk): void => {
  const symbols = Object.getOwnPropertySymbols(value)
  if (symbols.length === 0) return
  const shown = symbols.find((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))
  if (shown !== undefined) refuse(walk.path, `an object with the key ${String(shown)}`)
}

const visitBuiltIn = (value: object, kind: string | undefined, walk: Walk): void => {
  if (kind === undefined) refuse(walk.path, describe(value))
  if (ArrayBuffer.isView(value)) {
    refuseLostBytes(value.buffer, walk)
    return
  }
  refuseSymbols(value, walk)
  const extra = Object.keys(value)[kind === 'String' ? value.toString().length : 0]
  if (extra !== undefined) refuse(walk.path, `a ${kind} with the property '${extra}'`)
  if (kind === 'ArrayBuffer') refuseLostBytes(value as ArrayBuffer, walk)
  else if (kind === 'Map') visitMap(value as Map<unknown, unknown>, walk)
  else if (kind === 'Set') visitSet(value as Set<unknown>, walk)
  else if (kind === 'RegExp' && (value as RegExp).lastIndex !== 0)
    refuse(walk.path, 'a RegExp with a lastIndex')
}

const refuseLostBytes = (buffer: ArrayBufferLike, walk: Walk): void => {
  if (types.isSharedArrayBuffer(buffer)) refuse(walk.path, 'a SharedArrayBuffer')
  if ((buffer as ArrayBuffer).detached) refuse(walk.path, 'a detached ArrayBuffer')
}

const visitMap = (map: ReadonlyMap<unknown, unknown>, walk: Walk): void => {
  let place = 0
  for (const [key, value] of map) {
    walk.path.push({ text: `.keys[${place}]` })
    visit(key, walk)
    walk.path.pop()
    const simple = typeof key === 'string' || typeof key === 'number'
    walk.path.push({ text: simple ? `.get(${JSON.stringify(key)})` : `.values[${place}]` })
    visit(value, walk)
    walk.path.pop()
    place++
  }
}

const visitSet = (set: ReadonlySet<unknown>, walk: Walk): void => {
  let place = 0
  for (const value of set) {
    walk.path.push({ text: `.values[${place++}]` })
    visit(value, walk)
    walk.path.pop()
  }
}
