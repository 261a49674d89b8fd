/** What is wrong in the project's sources, said as a compiler says it. */
import type { Node } from 'ts-morph'
import { GenerateError } from '../src/model/errors.ts'

/** One problem; plain data, so that it can be printed as JSON. */
export interface Problem {
  /** Relative to the project's folder, with forward slashes. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  readonly message: string
  readonly cure: string
  /** The line of code, and a mark below it. */
  readonly frame: string
}

/** A place in the sources. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly frame: string
}

/** @returns where a node stands; `relative` makes its path relative to the project's folder. */
export const placeOf = (node: Node, relative: (path: string) => string): Place => {
  const source = node.getSourceFile()
  return placeAt(source.getFullText(), relative(source.getFilePath()), node.getStart(), node.getWidth())
}

/** @returns the place of `width` characters at an offset of a file's text. */
export const placeAt = (text: string, file: string, start: number, width: number): Place => {
  const before = text.slice(0, start).split(/\r?\n/)
  const line = before.length
  const column = (before.at(-1)?.length ?? 0) + 1
  const code = text.split(/\r?\n/, line).at(-1) ?? ''
  return { file, line, column, frame: frameOf(code, line, column, width) }
}

const frameOf = (code: string, line: number, column: number, width: number): string => {
  const gutter = ' '.repeat(String(line).length)
  const indent = code.slice(0, column - 1).replace(/[^\t]/g, ' ')
  const mark = '^'.repeat(Math.max(1, Math.min(width, code.length - column + 1)))
  return `${line} | ${code}\n${gutter} | ${indent}${mark}`
}

/** @returns `file:line:column`. */
export const spot = ({ file, line, column }: Place): string => `${file}:${line}:${column}`

/** @returns the one error of a run: its message is the text of all problems, sorted by place. */
export const generateError = (found: readonly Problem[]): GenerateError => {
  const problems = found.toSorted(byPlace)
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const text = problems.map(render).join('\n\n')
  return new GenerateError(`${count} in the project's tasks; nothing was written.\n\n${text}`, { problems })
}

const render = (problem: Problem): string =>
  [`${spot(problem)}: ${problem.message}`, indented(problem.frame), indented(problem.cure)].join('\n')

const indented = (text: string): string => text.replace(/^/gm, '  ')

const byPlace = (a: Problem, b: Problem): number =>
  compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message)

/** Orders by code unit, which is the same on every machine. */
export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
