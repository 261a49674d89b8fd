/** The files that generate looks at. Plain text work: the parser is loaded only when one of them names ztask. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { generatedFiles, type Project } from '../src/config.ts'

export interface SourceText {
  /** Absolute. */
  readonly path: string
  readonly text: string
}

const SOURCE = /\.([mc]?[jt]s|[jt]sx)$/
const DECLARATION = /\.d\.(\w+\.)?[mc]?ts$/
const NAMES_ZTASK = /['"]ztask['"]/
const SPECIFIER = /\b(?:from|import|require)\s*\(?\s*['"]([^'"\n]+)['"]/g

/** @returns whether a file may hold code, by its name: no declarations. */
export const isSource = (path: string): boolean => SOURCE.test(path) && !DECLARATION.test(path)

/** What a JavaScript file would be compiled from: `a.js` from `a.ts` or `a.tsx`. */
const twinsOf = (path: string): string[] => {
  const [, stem, kind = ''] = /^(.*)\.([mc]?)jsx?$/.exec(path) ?? []
  return stem === undefined ? [] : [`${stem}.${kind}ts`, `${stem}.tsx`]
}

/**
 * @returns the project's source files, absolute and sorted; never node_modules, declarations, what generate writes, or what has
 * been compiled beside its source: the tasks of both would be the same.
 */
export const sourcePaths = (project: Project): string[] => {
  const { root, settings } = project
  const generated = new Set(generatedFiles(project))
  const found = globSync([...settings.include], {
    cwd: root,
    exclude: (path) => /(^|[\\/])node_modules$/.test(path),
  })
  // A set: `src` and `../*/src` are globs of one file.
  const paths = new Set(found.map((path) => join(root, path)))
  return [...paths]
    .filter(isSource)
    .filter((path) => !twinsOf(path).some((twin) => paths.has(twin)))
    .filter((path) => !generated.has(path))
    .sort()
}

/** @returns whether the file may import ztask itself. */
export const namesZtask = ({ text }: SourceText): boolean => NAMES_ZTASK.test(text)

/** @returns all that the file may import: a superset, as comments and strings are looked at too. */
export const specifiersOf = ({ text }: SourceText): string[] =>
  Array.from(text.matchAll(SPECIFIER), ([, specifier]) => specifier ?? '')
