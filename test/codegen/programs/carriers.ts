/** Modules that hand on what they have from others: barrels, in all their forms. */
import { type Exposure, isNamed, type Module, specifier } from './module.ts'
import { type Making, obtain } from './obtain.ts'

/** Deeper paths would only be longer. */
const DEEPEST = 3

/** Writes into `to` that it hands on something of `from`, and notes what that is. */
export const carry = (making: Making, to: Module, from: Module): void => {
  const [first, ...rest] = from.exposures
  if (first === undefined) return
  const exposure = making.tape.pick([first, ...rest])
  to.awaits ||= from.awaits
  const found =
    to.syntax === 'esm' ? carryEsm(making, to, from, exposure) : carryCjs(making, to, from, exposure)
  to.exposures.push(...found.filter(({ path }) => path.length <= DEEPEST))
}

const under = (name: string, exposures: readonly Exposure[]): Exposure[] =>
  exposures.map(({ path, isTask }) => ({ path: [name, ...path], isTask }))

/** What the namespace of a module holds, for an ES module that imports it. */
const namespaceOf = ({ syntax, exposures }: Module): Exposure[] =>
  syntax === 'cjs'
    ? [...exposures.filter(({ path }) => isNamed(path)), ...under('default', exposures)]
    : [...exposures]

const carryEsm = (making: Making, to: Module, from: Module, exposure: Exposure): Exposure[] => {
  const { tape, style } = making
  const { isTask } = exposure
  const name = style.fresh('carried')
  const local = style.fresh('local')
  const source = (): string => specifier(tape, style, to, from)
  const path =
    from.syntax === 'cjs' && !isNamed(exposure.path) ? ['default', ...exposure.path] : exposure.path
  const [first = '', ...rest] = path
  const namespace = namespaceOf(from)
  return tape.pick<() => Exposure[]>([
    () => {
      to.body.push(`export { ${first} as ${name} } from ${source()}`)
      return [{ path: [name, ...rest], isTask }]
    },
    () => {
      to.body.push(`export * from ${source()}`)
      return namespace.filter(({ path: [key] }) => key !== 'default')
    },
    () => {
      to.body.push(`export * as ${name} from ${source()}`)
      return under(name, namespace)
    },
    () => {
      to.body.push(`export const ${name} = ${obtain(making, to, from, exposure)}`)
      return [{ path: [name], isTask }]
    },
    () => {
      to.head.push(`import { ${first} as ${local} } from ${source()}`)
      to.body.push(`export { ${local} as ${name} }`)
      return [{ path: [name, ...rest], isTask }]
    },
    () => {
      to.head.push(`import * as ${local} from ${source()}`)
      to.body.push(tape.pick([`export { ${local} as ${name} }`, `export const ${name} = ${local}`]))
      return under(name, namespace)
    },
    () => {
      to.head.push(`import * as ${local} from ${source()}`)
      to.body.push(`export const { ${first}: ${name} } = ${local}`)
      return [{ path: [name, ...rest], isTask }]
    },
    () => {
      to.body.push(`export default ${obtain(making, to, from, exposure)}`)
      return [{ path: ['default'], isTask }]
    },
    () => {
      to.body.push(`export { ${first} as default } from ${source()}`)
      return [{ path: ['default', ...rest], isTask }]
    },
    () => {
      to.head.push(`import * as ${local} from ${source()}`)
      to.body.push(`export default ${local}`)
      return under('default', namespace)
    },
    () => {
      // What a module declares hides what it has by a star.
      to.body.push(`export * from ${source()}`, hiding(making, first))
      const others = namespace.filter(({ path: [key] }) => key !== 'default' && key !== first)
      return first === 'default' ? others : [...others, { path: [first], isTask: false }]
    },
  ])()
}

const hiding = ({ tape, style }: Making, name: string): string =>
  name === 'default'
    ? `export const ${style.fresh('no')} = 1`
    : tape.pick([
        `export const ${name} = (fn) => fn`,
        `export function ${name}(fn) { return fn }`,
        `export class ${name} {}`,
        `const inner${name} = (fn) => fn\nexport { inner${name} as ${name} }`,
      ])

const carryCjs = (making: Making, to: Module, from: Module, exposure: Exposure): Exposure[] => {
  const { tape, style } = making
  const { isTask } = exposure
  const name = style.fresh('carried')
  const source = (): string => specifier(tape, style, to, from)
  const value = (): string => obtain(making, to, from, exposure)
  const whole = to.isTyped
    ? 'export ='
    : tape.pick(['module.exports =', 'module.exports = exports =', 'exports = module.exports ='])
  const [first = ''] = exposure.path
  const named = from.exposures.filter(({ path }) => isNamed(path))
  const one = [{ path: [name], isTask }]
  const untyped: (() => Exposure[])[] = [
    () => {
      to.body.push(`exports.${name} = ${value()}`)
      return one
    },
    () => {
      to.body.push(`module.exports.${name} = ${value()}`)
      return one
    },
    () => {
      to.body.push(`exports['${name}'] = ${value()}`)
      return one
    },
    () => {
      to.body.push(`const mine = exports.${name} = ${value()}`, 'exports.again = mine')
      return [...one, { path: ['again'], isTask }]
    },
  ]
  return tape.pick<() => Exposure[]>([
    () => {
      to.body.push(`${whole} { ${name}: ${value()} }`)
      return one
    },
    () => {
      to.body.push(`const ${name} = ${value()}`, `${whole} { ${name} }`)
      return one
    },
    () => {
      to.body.push(`${whole} ${value()}`)
      return [{ path: [], isTask }]
    },
    () => {
      to.body.push(`${whole} require(${source()})`)
      // Not its default: whether that is one, or the whole, Node and bundlers see differently.
      return from.exposures.filter(({ path: [key] }) => key !== 'default')
    },
    () => {
      to.body.push(`${whole} { ...require(${source()}) }`)
      return named
    },
    () => {
      const mine = isNamed(exposure.path) ? first : 'mine'
      // Of two members of one name the later counts.
      const [parts, isMine] = tape.pick<readonly [string, boolean]>([
        [`...require(${source()}), ${mine}: (fn) => fn`, true],
        [`${mine}: (fn) => fn, ...require(${source()})`, false],
        [`...require(${source()}), ${mine}(fn) { return fn }`, true],
      ])
      to.body.push(`${whole} { ${parts} }`)
      return isMine
        ? [...named.filter(({ path: [key] }) => key !== mine), { path: [mine], isTask: false }]
        : named
    },
    ...(to.isTyped ? [] : untyped),
  ])()
}

/** Modules of which nothing is a task: functions of that name, as values of all kinds. */
export const lookalike = ({ tape }: Making, to: Module): void => {
  const [text, path] =
    to.syntax === 'esm'
      ? tape.pick<readonly [string, string]>([
          ['export const task = (fn) => fn', 'task'],
          ['export function task(fn) { return fn }', 'task'],
          ['export default function task(fn) { return fn }', 'default'],
          ['const task = (fn) => fn\nexport { task }', 'task'],
          ["import { isTask } from 'ztask'\nexport { isTask as task }", 'task'],
          ["export { isTask as task } from 'ztask'", 'task'],
        ])
      : tape.pick<readonly [string, string]>([
          [to.isTyped ? 'export = { task: (fn) => fn }' : 'exports.task = (fn) => fn', 'task'],
          [`${to.isTyped ? 'export' : 'module.exports'} = { task(fn) { return fn } }`, 'task'],
          [`${to.isTyped ? 'export' : 'module.exports'} = { task: require('ztask').isTask }`, 'task'],
        ])
  to.body.push(text)
  to.exposures.push({ path: [path], isTask: false })
}
