/** What commands print: JSON that is stable, or lines for people, which fit the terminal and are coloured on one. */
import { stripVTControlCharacters, styleText } from 'node:util'
import type { JobView } from '../daemon/commands.ts'

/** One JSON document and a line's end. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

type Style = Parameters<typeof styleText>[0]

/** Colours on a terminal only; NO_COLOR and FORCE_COLOR have their say. */
export const styled = (style: Style, text: string): string =>
  styleText(style, text, { stream: process.stdout })

/**
 * Text that a job brings: errors of tools come with colours, which NO_COLOR is to keep away, and a name or a message with
 * other codes could overwrite the lines before it.
 *
 * @returns its words and lines, and no code that a terminal would obey
 */
export const printable = (text: string): string =>
  stripVTControlCharacters(text)
    .replace(/\r\n/g, '\n')
    .replace(/(?![\n\t])\p{Cc}/gu, '?')

const oneLine = (text: string): string => printable(text).replace(/[\n\t]/g, ' ')

/** The colour of each state. */
export const STATE_STYLES: Readonly<Record<JobView['state'], Style>> = {
  waiting: 'cyan',
  scheduled: 'blue',
  running: 'green',
  held: 'yellow',
  failed: 'red',
  succeeded: 'green',
}

/** The columns of the terminal, or `undefined` where the output goes elsewhere and nothing is cut. */
export const terminalWidth = (): number | undefined =>
  process.stdout.isTTY ? process.stdout.columns : undefined

export interface TableOptions {
  /** Lines are no longer than this. */
  readonly width?: number | undefined
  /** The columns that give way where a line is too long, the first first. */
  readonly yielding?: readonly number[]
  readonly style?: (cell: string, row: number, column: number) => Style | undefined
}

const GAP = '  '

/** Columns as wide as their widest cell, two spaces between; what has to be cut ends in `…`. */
export const printTable = (table: readonly (readonly string[])[], options: TableOptions = {}): void => {
  const rows = table.map((row) => row.map(oneLine))
  const widths = fitted(rows, options)
  for (const [at, row] of rows.entries()) {
    const cells = row.flatMap((cell, column) => {
      const width = widths[column] ?? 0
      if (width === 0) return []
      const text = cut(cell, width)
      const style = options.style?.(cell, at, column)
      return [`${style === undefined ? text : styled(style, text)}${' '.repeat(width - text.length)}`]
    })
    process.stdout.write(`${cells.join(GAP).trimEnd()}\n`)
  }
}

const cut = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, width - 1)}…`

const fitted = (rows: readonly (readonly string[])[], { width, yielding = [] }: TableOptions): number[] => {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  return width === undefined ? widths : narrowed(widths, width, yielding)
}

/** Narrower columns say nothing, characters. */
const LEAST = 8

/** Each gives way as far as it can; where that is not enough, the first goes altogether, and the others have its room. */
const narrowed = (widths: readonly number[], width: number, yielding: readonly number[]): number[] => {
  const narrow = [...widths]
  const excess = (): number => {
    const shown = narrow.filter((one) => one > 0)
    return shown.reduce((sum, one) => sum + one, (shown.length - 1) * GAP.length) - width
  }
  for (const column of yielding) {
    const most = narrow[column] ?? 0
    if (excess() > 0) narrow[column] = Math.max(Math.min(LEAST, most), most - excess())
  }
  const [first, ...others] = yielding
  if (excess() <= 0 || first === undefined) return narrow
  return narrowed(widths.with(first, 0), width, others)
}

/** @returns a date for people in their own time, without the day where it is today's */
export const shortTime = (iso: string, now = new Date()): string => {
  const date = new Date(iso)
  const two = (value: number): string => String(value).padStart(2, '0')
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  if (date.toDateString() === now.toDateString()) return time
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const

/** @returns how far away a date is: '5 seconds ago', 'in 2 hours' */
export const fromNow = (iso: string): string => {
  const seconds = (Date.parse(iso) - Date.now()) / 1000
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1]
  return new Intl.RelativeTimeFormat('en').format(Math.round(seconds / size), unit)
}
