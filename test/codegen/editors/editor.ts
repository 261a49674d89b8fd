/** What an editor asks of the language, in words that are the same for every engine. */
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** A place in a file of the project. */
export interface Cursor {
  /** Relative to the project's folder. */
  readonly file: string
  /** From the start of the file, in UTF-16 units. */
  readonly offset: number
}

/** What is shown where the mouse rests. */
export interface Hover {
  /** The symbol and its type. */
  readonly code: string
  /** The text of its documentation, and its tags as they are written. */
  readonly comment: string
}

/** What is shown while the arguments are typed. */
export interface Signature {
  readonly label: string
  readonly parameters: readonly string[]
  /** The parameter that the cursor stands at. */
  readonly active: number
}

/** One entry of the list that is shown after a dot. */
export interface Entry {
  readonly name: string
  /** Whether it is struck through. */
  readonly deprecated: boolean
  readonly comment: string
}

/** An editor with a project open. Locations are said as `src/mail.ts: export const [sendEmail] = …`. */
export interface Editor extends AsyncDisposable {
  hover(cursor: Cursor): Promise<Hover>
  signature(cursor: Cursor): Promise<Signature>
  definition(cursor: Cursor): Promise<readonly string[]>
  rename(cursor: Cursor): Promise<readonly string[]>
  completion(cursor: Cursor): Promise<readonly Entry[]>
}

/** @returns the place in a file where the text stands, its cursor marked by `|`. */
export const cursorAt = (root: string, file: string, marked: string): Cursor => {
  const start = readFileSync(join(root, file), 'utf8').indexOf(marked.replace('|', ''))
  if (start < 0) throw new Error(`${file} holds no ${marked.replace('|', '')}`)
  return { file, offset: start + marked.indexOf('|') }
}

/** @returns a stretch of a file as `src/mail.ts: export const [sendEmail] = …`: its line, and itself in brackets. */
export const location = (root: string, path: string, start: number, end: number): string => {
  const text = readFileSync(path, 'utf8')
  const before = text.slice(0, start).split('\n').at(-1) ?? ''
  const after = text.slice(end).split('\n')[0] ?? ''
  return `${relative(root, path)}: ${`${before}[${text.slice(start, end)}]${after}`.trim()}`
}
