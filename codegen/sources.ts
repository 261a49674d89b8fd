/** The files that generate looks at. Plain text work: the parser is loaded only when one of them names ztask. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Project } from '../src/config.ts'

export interface SourceText {
  /** Absolute. */
  readonly path: string
  readonly text: string
}

const SOURCE = /\.([mc]?[jt]s|[jt]sx)$/
const DECLARATION = /\.d\.(\w+\.)?[mc]?ts$/
const GENERATED = ['client.ts', 'registry.ts']
const NAMES_ZTASK = /['"]ztask['"]/
const SPECIFIER = /\b(?:from|import|require)\s*\(?\s*['"]([^'"\n]+)['"]/g

/** @returns the project's TypeScript files, sorted; never node_modules, declarations or what generate writes. */
export const readSources = ({ root, settings }: Project): SourceText[] => {
  const generated = new Set(GENERATED.map((name) => join(root, settings.output, name)))
  return globSync([...settings.include], {
    cwd: root,
    exclude: (path) => /(^|[\\/])node_modules$/.test(path),
  })
    .filter((path) => SOURCE.test(path) && !DECLARATION.test(path))
    .map((path) => join(root, path))
    .filter((path) => !generated.has(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
}

/** @returns whether the file may import ztask itself. */
export const namesZtask = ({ text }: SourceText): boolean => NAMES_ZTASK.test(text)

/** @returns all that the file may import: a superset, as comments and strings are looked at too. */
export const specifiersOf = ({ text }: SourceText): string[] =>
  Array.from(text.matchAll(SPECIFIER), ([, specifier]) => specifier ?? '')
