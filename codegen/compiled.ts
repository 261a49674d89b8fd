/** What a package's tsconfig.json compiles its files to, whether that is there already or not. */
import { dirname, join, relative, resolve, sep } from 'node:path'
import { ts } from 'ts-morph'
import type { Disk } from './disk.ts'

/** One way in which files are compiled: from under one folder to under another. */
export class Layout {
  readonly #config: ts.ParsedCommandLine
  readonly #from: string
  readonly #to: string

  constructor(config: ts.ParsedCommandLine, rootDir: string) {
    this.#config = { ...config, options: { ...config.options, rootDir } }
    this.#from = resolve(rootDir)
    this.#to = resolve(config.options.outDir ?? rootDir)
  }

  /** @returns what a file is compiled to. */
  outputsOf(file: string): string[] {
    const config = { ...this.#config, fileNames: [file] }
    return ts.getOutputFileNames(config, file, false).map((output) => resolve(output))
  }

  /** @returns what would be compiled to a path, where it is there. */
  sourcesOf(output: string): string[] {
    const path = relative(this.#to, output)
    const [, stem, kind = ''] = /^(.*?)(?:\.d)?\.([mc]?)[jt]sx?$/.exec(path) ?? []
    if (stem === undefined || path.startsWith(`..${sep}`)) return []
    const extensions = kind === '' ? ['ts', 'tsx', 'js', 'jsx'] : [`${kind}ts`, `${kind}js`]
    return extensions.map((extension) => join(this.#from, `${stem}.${extension}`))
  }
}

/**
 * @returns the ways in which a package's files may be compiled, by its tsconfig.json and those that this refers to; two
 * where it says no rootDir, as TypeScript 6 and later have another than those before
 */
export const layoutsOf = (folder: string, disk: Disk): Layout[] => {
  const whole = parsed(join(folder, 'tsconfig.json'), disk)
  const parts = (whole?.projectReferences ?? []).map((reference) =>
    parsed(ts.resolveProjectReferencePath(reference), disk),
  )
  return [whole, ...parts].flatMap((config) =>
    config !== undefined && compiles(config)
      ? rootDirsOf(config).map((rootDir) => new Layout(config, rootDir))
      : [],
  )
}

/** Some only check, and some only refer to others. */
const compiles = ({ options, raw }: ts.ParsedCommandLine): boolean =>
  options.noEmit !== true && (raw?.files?.length !== 0 || raw.include !== undefined)

const parsed = (file: string, disk: Disk): ts.ParsedCommandLine | undefined => {
  // Which files are included is not asked: that costs a listing, and what others are offered is included.
  const host = { ...ts.sys, ...disk, readDirectory: () => [], onUnRecoverableConfigFileDiagnostic: () => {} }
  return ts.getParsedCommandLineOfConfigFile(file, {}, host)
}

const rootDirsOf = ({ options, raw }: ts.ParsedCommandLine): string[] => {
  if (options.rootDir !== undefined) return [options.rootDir]
  const folder = dirname(String(options.configFilePath))
  const include: readonly string[] = raw?.include ?? []
  const [one = '.'] = include.length === 1 ? include : []
  // Before TypeScript 6 it was the folder that holds all sources: that one, where one is included.
  const before = join(folder, one.replace(/^\$\{configDir\}/, '.').replace(/\/?[^/]*[*?].*$/, ''))
  return options.composite === true || before === folder ? [folder] : [folder, before]
}
