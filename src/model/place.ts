/** Where something stands in the sources, as compilers say it. */

/** A place in the sources. */
export interface Place {
  /** Relative to the project's folder, with forward slashes. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** The line of code, and a mark below it. */
  readonly frame: string
}

/** @returns the place of `width` characters at an offset of a file's text. */
export const placeAt = (text: string, file: string, start: number, width: number): Place => {
  const before = text.slice(0, start).split(/\r?\n/)
  return placeOn(text, file, before.length, (before.at(-1)?.length ?? 0) + 1, width)
}

/** @returns the place of `width` characters at a line and a column, both from 1, of a file's text. */
export const placeOn = (text: string, file: string, line: number, column: number, width: number): Place => {
  const code = text.split(/\r?\n/, line).at(line - 1) ?? ''
  return { file, line, column, frame: frameOf(code, line, column, width) }
}

const frameOf = (code: string, line: number, column: number, width: number): string => {
  const gutter = ' '.repeat(String(line).length)
  const indent = code.slice(0, column - 1).replace(/[^\t]/g, ' ')
  const mark = '^'.repeat(Math.max(1, Math.min(width, code.length - column + 1)))
  return `${line} | ${code}\n${gutter} | ${indent}${mark}`
}

/** @returns `file:line:column`. */
export const spot = ({ file, line, column }: Omit<Place, 'frame'>): string => `${file}:${line}:${column}`
