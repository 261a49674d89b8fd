/** What is wrong in the project's sources, said as a compiler says it. */
import type { Node } from 'ts-morph'
import { GenerateError } from '../src/model/errors.ts'
import { type Place, placeAt, spot } from '../src/model/place.ts'

/** What generate can say. Codes are stable, and each has its part in docs/codegen.md; messages are not. */
export const PROBLEMS = {
  syntax: 'error',
  'not-exported': 'error',
  unbound: 'error',
  wrapped: 'warning',
  'task-as-value': 'warning',
  nested: 'warning',
  'default-without-name': 'error',
  'reserved-name': 'error',
  'invalid-name': 'error',
  'duplicate-name': 'error',
  'duplicate-alias': 'error',
  'file-name': 'error',
  'option-not-data': 'error',
  'unknown-option': 'error',
  'wrong-option': 'error',
  'module-kind': 'warning',
  'module-resolution': 'warning',
  'verbatim-commonjs': 'warning',
  'allow-js': 'warning',
  'output-not-included': 'warning',
  'solution-tsconfig': 'warning',
  'decorator-metadata': 'warning',
} as const satisfies Record<string, Severity>

export type ProblemCode = keyof typeof PROBLEMS

/** An error writes nothing; with warnings the files are written, without the task that one speaks of, if it does. */
export type Severity = 'error' | 'warning'

/** One problem; plain data, so that it can be printed as JSON. */
export interface Problem extends Place {
  readonly code: ProblemCode
  readonly severity: Severity
  readonly message: string
  readonly cure: string
}

/** @returns a problem, with its severity. */
export const problem = (place: Place, code: ProblemCode, message: string, cure: string): Problem => ({
  ...place,
  code,
  severity: PROBLEMS[code],
  message,
  cure,
})

/** @returns where a node stands; `relative` makes its path relative to the project's folder. */
export const placeOf = (node: Node, relative: (path: string) => string): Place => {
  const source = node.getSourceFile()
  return placeAt(source.getFullText(), relative(source.getFilePath()), node.getStart(), node.getWidth())
}

/** @returns the one error of a run: its message is the text of all problems. */
export const generateError = (problems: readonly Problem[]): GenerateError => {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const text = problems.map(render).join('\n\n')
  return new GenerateError(`${count} in the project's tasks; nothing was written.\n\n${text}`, { problems })
}

/** @returns a problem as text. Its first line is as gcc writes it, which editors and CI systems can read. */
export const render = (problem: Problem): string => {
  const { severity, message, code, frame, cure } = problem
  return [`${spot(problem)}: ${severity}: ${message} [${code}]`, indented(frame), indented(cure)].join('\n')
}

const indented = (text: string): string => text.replace(/^/gm, '  ')

/** Orders problems by file, line and column. */
export const byPlace = (a: Problem, b: Problem): number =>
  compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message)

/** Orders by code unit, which is the same on every machine. */
export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
