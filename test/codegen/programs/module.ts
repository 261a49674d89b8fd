/** A module of a generated program: its text as it grows, and what is known of it by construction. */
import { posix } from 'node:path'
import type { Tape } from './tape.ts'

/** Something that a module hands out, and whether it is the `task` of ztask. */
export interface Exposure {
  /** From the module's namespace, or from what `require` returns; empty where that is the function itself. */
  readonly path: readonly string[]
  readonly isTask: boolean
}

/** A task that a module defines. */
export interface Defined {
  readonly name: string
  readonly export: string
}

export interface Module {
  /** Relative to the project, or the name of a package. */
  readonly path: string
  readonly syntax: 'esm' | 'cjs' | 'package'
  readonly isTyped: boolean
  readonly exposures: Exposure[]
  readonly tasks: Defined[]
  /** The text: imports, and all else. */
  readonly head: string[]
  readonly body: string[]
  /** Whether it waits for a dynamic import, and cannot be required. */
  awaits: boolean
}

/** What the whole program decides for its modules. */
export interface Style {
  readonly resolution: 'nodenext' | 'bundler'
  readonly fresh: (word: string) => string
}

const FOLDERS = ['src', 'src/jobs', 'src/lib', 'src/lib/deep'] as const
/** CommonJS by its own package.json, whatever the ending. */
const LEGACY = 'src/legacy'
const STEMS = [
  'a',
  'index',
  'queue',
  'task',
  'ztask',
  'mail.queue',
  'b',
  'c',
  'd',
  'e',
  'f',
  'g',
  'h',
] as const

const ESM = ['.ts', '.js', '.tsx', '.mts', '.mjs', '.jsx'] as const
const CJS = ['.cjs', '.cts', '.js'] as const

/** @returns a module at a place that none of the others has, its ending apart. */
export const newModule = (tape: Tape, syntax: 'esm' | 'cjs', others: readonly Module[]): Module => {
  const ending = syntax === 'esm' ? tape.pick(ESM) : tape.pick(CJS)
  const folder = syntax === 'cjs' && ending === '.js' ? LEGACY : tape.pick(FOLDERS)
  const taken = new Set(others.map(({ path }) => path.replace(/\.\w+$/, '')))
  const free = STEMS.filter((stem) => !taken.has(`${folder}/${stem}`))
  const stem = tape.pick(free as unknown as [string, ...string[]])
  return module(`${folder}/${stem}${ending}`, syntax, /ts/.test(ending))
}

/** @returns a module with nothing in it. */
export const module = (path: string, syntax: Module['syntax'], isTyped: boolean): Module => ({
  path,
  syntax,
  isTyped,
  exposures: [],
  tasks: [],
  head: [],
  body: [],
  awaits: false,
})

/** @returns whether an ES module can have it by name from a CommonJS module, whose default is all that it exports. */
export const isNamed = ([first]: readonly string[]): boolean => first !== undefined && first !== 'default'

/** @returns one of the specifiers, in quotes, by which one module can name another. */
export const specifier = (tape: Tape, style: Style, from: Module, to: Module): string => {
  const quote = tape.pick(["'", '"'])
  if (to.syntax === 'package') return `${quote}${to.path}${quote}`
  const compiled = to.path.replace(/\.([mc]?)tsx?$/, '.$1js')
  const direct = posix.relative(posix.dirname(from.path), compiled)
  const relative = direct.startsWith('.') ? direct : `./${direct}`
  const forms: [string, ...string[]] = [relative, compiled.replace('src/', '@/')]
  // The imports of a package.json hold in its own package.
  if (!from.path.startsWith(LEGACY)) forms.push(`#${compiled}`)
  // Without its ending, and a folder for its index: what bundlers and `require` look for.
  const bare = /^(.*)\.(?:ts|js|tsx|jsx)$/.exec(relative)?.[1]
  if (bare !== undefined && (style.resolution === 'bundler' || from.syntax === 'cjs')) {
    forms.push(bare)
    const folder = /^(.*)\/index$/.exec(bare)?.[1]
    if (folder !== undefined) forms.push(folder, `${folder}/`)
  }
  return `${quote}${tape.pick(forms)}${quote}`
}
