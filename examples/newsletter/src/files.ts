/** Where this example keeps what it does, so that it can be looked at and counted: text files in var/. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'

const FOLDER = 'var'

/** The lines of a file in var/, none where it is not there. */
export const readLines = (name: string): string[] => {
  const file = `${FOLDER}/${name}`
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}

/** Appends a line to a file in var/: in one write, so that lines of several processes do not mix. */
export const appendLine = (name: string, line: string): void => {
  mkdirSync(FOLDER, { recursive: true })
  appendFileSync(`${FOLDER}/${name}`, `${line}\n`)
}
