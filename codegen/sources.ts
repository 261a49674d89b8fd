/** The files that generate looks at. Plain text work: the parser is loaded only when one of them names ztask. */
import { globSync } from 'node:fs'
import { join, matchesGlob, resolve, sep } from 'node:path'
import { generatedFiles, type Project } from '../src/config.ts'
import { GenerateError } from '../src/model/errors.ts'
import type { Disk } from './disk.ts'

export interface SourceText {
  /** Absolute. */
  readonly path: string
  readonly text: string
}

const SOURCE = /\.([mc]?[jt]s|[jt]sx)$/
const DECLARATION = /\.d\.(\w+\.)?[mc]?ts$/
const SPECIFIER = /\b(?:from|import|require)\s*\(?\s*['"`]([^'"`\n]+)['"`]/g

/** @returns whether a file may hold code, by its name: no declarations. */
export const isSource = (path: string): boolean => SOURCE.test(path) && !DECLARATION.test(path)

const isIn = (path: string, folder: string): boolean => path.startsWith(folder + sep)

/** What a JavaScript file would be compiled from: `a.js` from `a.ts` or `a.tsx`. */
const twinsOf = (path: string): string[] => {
  const [, stem, kind = ''] = /^(.*)\.([mc]?)jsx?$/.exec(path) ?? []
  return stem === undefined ? [] : [`${stem}.${kind}ts`, `${stem}.tsx`]
}

/**
 * @param outDir what the project is compiled into
 * @returns the project's source files, absolute and sorted; never node_modules, declarations, what generate writes, or
 * what has been compiled, beside its source or into a folder that no glob names: the tasks of both would be the same
 * @throws GenerateError where `include` matches no file
 */
export const sourcePaths = (project: Project, outDir: string): string[] => {
  const { root, settings } = project
  const generated = new Set(generatedFiles(project))
  const without = settings.include.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1))
  const found = globSync(
    settings.include.filter((glob) => !glob.startsWith('!')),
    { cwd: root, exclude: (path) => /(^|[\\/])node_modules$/.test(path) },
  ).filter((path) => !without.some((glob) => matchesGlob(path, glob)))
  const isNamed = settings.include.some((glob) => isIn(resolve(root, glob), outDir))
  // A set: `src` and `../*/src` are globs of one file.
  const paths = new Set(
    found
      .map((path) => resolve(root, path))
      .filter((path) => isSource(path) && (isNamed || !isIn(path, outDir))),
  )
  // Else a misspelt folder would empty the client and the registry.
  if (paths.size === 0)
    throw new GenerateError(
      `No file of code matches \`include\`: ${settings.include.join(', ')}, below ${root}. Correct the setting, which holds globs such as src/**/*; or make the first file.`,
      { include: settings.include },
    )
  return [...paths]
    .filter((path) => !twinsOf(path).some((twin) => paths.has(twin)))
    .filter((path) => !generated.has(path))
    .sort()
}

/** @returns what ztask may be imported by: its name, and those that `imports` of package.json give it, `#task` say. */
export const ztaskNames = (root: string, disk: Disk): ReadonlySet<string> => {
  const names = new Set(['ztask'])
  try {
    const { imports = {} }: { imports?: object } = JSON.parse(
      disk.readFile(join(root, 'package.json')) ?? '{}',
    )
    // The targets may stand below conditions.
    for (const [name, target] of Object.entries(imports))
      if (/"ztask"/.test(JSON.stringify(target))) names.add(name)
  } catch {
    // No JSON: Node takes it for no package either.
  }
  return names
}

/** @returns whether the file may import ztask itself. */
export const namesZtask = ({ text }: SourceText, names: ReadonlySet<string>): boolean => {
  const quotes = ["'", '"', '`']
  return [...names].some((name) => quotes.some((quote) => text.includes(quote + name + quote)))
}

/** @returns all that the file may import: a superset, as comments and strings are looked at too. */
export const specifiersOf = ({ text }: SourceText): string[] =>
  Array.from(text.matchAll(SPECIFIER), ([, specifier]) => specifier ?? '')
