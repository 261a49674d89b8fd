/** What a campaign found, for a terminal and for docs/reliability.md. */
export type Row = readonly [what: string, count: string | number]

/** @returns the rows of a Markdown table, in columns */
export const tableOf = (rows: readonly Row[]): string => {
  const cells = rows.map(([what, count]) => [what, `${count}`] as const)
  const [left, right] = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells
    .map(([what, count]) => `| ${what.padEnd(left ?? 0)} | ${count.padStart(right ?? 0)} |`)
    .join('\n')
}
