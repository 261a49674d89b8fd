/** One package of a monorepo: what it offers to the others, by its package.json and its tsconfig.json. */
import { join, relative } from 'node:path'
import { type Layout, layoutsOf } from './compiled.ts'
import type { Disk } from './disk.ts'
import { isSource } from './sources.ts'

/** The part of a package.json that is read here. */
export interface PackageJson {
  readonly name?: unknown
  readonly main?: unknown
  readonly exports?: unknown
}

/** A subpath, as `./mail` or `./*`, and a file that it stands for, as `./dist/mail.js` or `./dist/*.js`. */
type Offer = readonly [subpath: string, target: string]

const TYPESCRIPT = /\.[mc]?tsx?$/

export class Package {
  readonly folder: string
  readonly name: string
  readonly #offers: readonly Offer[]
  readonly #disk: Disk
  #layouts: readonly Layout[] | undefined

  constructor(folder: string, name: string, json: PackageJson, disk: Disk) {
    this.folder = folder
    this.name = name
    this.#offers = offersOf(json)
    this.#disk = disk
  }

  /** @returns the specifier that leads to a source of this package; nothing where none does, or nobody can say which. */
  specifierOf(file: string): string | undefined {
    const direct = this.#subpathOf(file, [file])
    const compiled = this.#compiled.flatMap((layout) => this.#subpathOf(file, layout.outputsOf(file)) ?? [])
    const [subpath, ...others] = direct === undefined ? new Set(compiled) : [direct]
    return subpath === undefined || others.length > 0 ? undefined : this.name + subpath.slice(1)
  }

  /** @returns the source that a subpath leads to. */
  fileOf(subpath: string): string | undefined {
    const bySpecificity = (a: Offer, b: Offer): number => specificity(b[0]) - specificity(a[0])
    const [chosen] = this.#offers.filter(([key]) => starOf(key, subpath) !== undefined).sort(bySpecificity)
    return this.#offers
      .filter(([key]) => key === chosen?.[0])
      .map(([key, target]) => join(this.folder, filled(target, starOf(key, subpath) ?? '')))
      .map((path) => this.#sourceOf(path))
      .find((file) => file !== undefined)
  }

  /** The subpath that leads to a file by one of the paths that it has, as a source or compiled. */
  #subpathOf(file: string, paths: readonly string[]): string | undefined {
    const inside = paths.map((path) => `./${relative(this.folder, path).replaceAll('\\', '/')}`)
    return (
      this.#offers
        .flatMap(([key, target]) => inside.map((path) => [key, starOf(target, path)] as const))
        .flatMap(([key, star]) => (star === undefined ? [] : filled(key, star)))
        // Another key may have the last word; and TypeScript takes no `.ts` at the end.
        .find((subpath) => !TYPESCRIPT.test(subpath) && this.fileOf(subpath) === file)
    )
  }

  /** What a file is compiled from, or the file itself. */
  #sourceOf(path: string): string | undefined {
    const sources = this.#compiled.flatMap((layout) => layout.sourcesOf(path))
    return [...sources, path].find((file) => isSource(file) && this.#disk.fileExists(file))
  }

  get #compiled(): readonly Layout[] {
    this.#layouts ??= layoutsOf(this.folder, this.#disk)
    return this.#layouts
  }
}

const offersOf = ({ exports, main }: PackageJson): Offer[] => {
  if (exports === undefined || exports === null) return withoutExports(main)
  const isMap = typeof exports === 'object' && Object.keys(exports).some((key) => key.startsWith('.'))
  const entries = isMap ? Object.entries(exports) : [['.', exports] as const]
  return entries.flatMap(([key, value]) => targetsOf(value).map((target) => [key, target] as const))
}

/** Any file can then be named; but only a main file of JavaScript says that what is compiled is what others use. */
const withoutExports = (main: unknown): Offer[] => {
  if (typeof main !== 'string') return [['.', './index.js']]
  const whole: Offer = ['.', `./${main.replace(/^\.\//, '')}`]
  return TYPESCRIPT.test(main) ? [whole] : [whole, ['./*', './*']]
}

/** Of all conditions: which of them holds is known when the code runs. What is withheld leads to no file. */
const targetsOf = (value: unknown): string[] => {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(targetsOf) : ['']
}

/** @returns what `*` stands for in a pattern that a path matches, nothing in one that has none. */
const starOf = (pattern: string, path: string): string | undefined => {
  const [before = '', after] = pattern.split('*')
  if (after === undefined) return pattern === path ? '' : undefined
  const fits = path.startsWith(before) && path.endsWith(after) && path.length > before.length + after.length
  return fits ? path.slice(before.length, path.length - after.length) : undefined
}

const filled = (pattern: string, star: string): string => pattern.replace('*', () => star)

/** As Node chooses: a key without `*` first, then the longest before it. */
const specificity = (key: string): number => (key.includes('*') ? key.indexOf('*') : Number.MAX_SAFE_INTEGER)
