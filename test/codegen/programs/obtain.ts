/** How a module gets hold of what another one exposes: an expression, and the imports that it needs. */
import { type Exposure, isNamed, type Module, type Style, specifier } from './module.ts'
import type { Tape } from './tape.ts'

/** What a program is made with. */
export interface Making {
  readonly tape: Tape
  readonly style: Style
}

/** Writes the imports into `to`. */
export const obtain = (making: Making, to: Module, from: Module, { path }: Exposure): string => {
  to.awaits ||= from.awaits
  const source = specifier(making.tape, making.style, to, from)
  if (to.syntax === 'cjs') return required(making, to, source, path)
  // The default of a CommonJS module is all that it exports; its members are there by name, too.
  const isWhole = from.syntax === 'cjs' && (!isNamed(path) || making.tape.flip())
  return imported(making, to, source, isWhole ? ['default', ...path] : path)
}

const imported = ({ tape, style }: Making, to: Module, source: string, path: readonly string[]): string => {
  const [first = '', ...rest] = path
  const local = style.fresh('local')
  const all = style.fresh('all')
  const named = (): string => {
    to.head.push(`import { ${first} as ${local} } from ${source}`)
    return member(local, rest)
  }
  const byDefault = (): string => {
    to.head.push(`import ${local} from ${source}`)
    return member(local, rest)
  }
  const namespace = (): string => {
    to.head.push(`import * as ${all} from ${source}`)
    return all
  }
  const awaited = (): string => {
    to.awaits = true
    to.body.push(`const ${all} = await import(${source})`)
    return all
  }
  const form = tape.pick([
    first === 'default' ? byDefault : named,
    named,
    () => member(namespace(), path),
    () => constant(to, local, member(namespace(), path)),
    () => taken(to, pattern(path, local), namespace(), local),
    () => `${namespace()}${path.map((key) => `['${key}']`).join('')}`,
    () => member(awaited(), path),
    () => taken(to, pattern(path, local), awaited(), local),
  ])
  return form()
}

const required = ({ tape, style }: Making, to: Module, source: string, path: readonly string[]): string => {
  const local = style.fresh('local')
  const all = style.fresh('all')
  const call = `require(${source})`
  const whole = (): string => {
    to.head.push(`${tape.pick(['const', 'var', 'let'])} ${all} = ${call}`)
    return all
  }
  const equals = (): string => {
    to.head.push(`import ${all} = require(${source})`)
    return all
  }
  const alias = (): string => {
    if (path.length === 0 || path.includes('default')) return member(equals(), path)
    to.body.push(`import ${local} = ${member(equals(), path)}`)
    return local
  }
  const untyped: [() => string, ...(() => string)[]] = [
    () => member(whole(), path),
    () => constant(to, local, member(call, path)),
    () => (path.length === 0 ? whole() : taken(to, pattern(path, local), call, local)),
    () => member(call, path),
  ]
  return tape.pick(to.isTyped ? [() => member(equals(), path), alias, ...untyped] : untyped)()
}

const constant = (to: Module, local: string, value: string): string => {
  to.body.push(`const ${local} = ${value}`)
  return local
}

const taken = (to: Module, names: string, value: string, local: string): string => {
  to.body.push(`const ${names} = ${value}`)
  return local
}

/** `{ a: { b: local } }` */
const pattern = (path: readonly string[], local: string): string =>
  path.reduceRight((inner, key) => `{ ${key}: ${inner} }`, local)

const member = (holder: string, path: readonly string[]): string => [holder, ...path].join('.')
