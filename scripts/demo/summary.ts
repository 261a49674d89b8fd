/** What the demo prints at its end. */
import type { Row } from './verdict.ts'

/** @returns the rows as a table, those that are wrong marked */
export const table = (rows: readonly Row[]): string => {
  const widest = (column: 'what' | 'found'): number => Math.max(...rows.map((row) => row[column].length))
  const [what, found] = [widest('what'), widest('found')]
  return rows
    .map((row) =>
      `${row.ok ? ' ' : '✗'} ${row.what.padEnd(what)}  ${row.found.padStart(found)}  ${row.note}`.trimEnd(),
    )
    .join('\n')
}

/** @returns the commands to try in the folder that the demo leaves */
export const next = (dir: string, failedId: string): string => `
The folder stays, with its database, so that you can look around:
  cd ${dir}
  npx ztask list --failed
  npx ztask show ${failedId}
  npx ztask daemon          # and in a second terminal, in the same folder:
  npm start
  npx ztask status
When you have seen enough: rm -r ${dir}
`
