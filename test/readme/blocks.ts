/** The README, taken apart. */
import { readFileSync } from 'node:fs'
import { REPOSITORY } from '../harness/process.ts'

export const README = readFileSync(`${REPOSITORY}README.md`, 'utf8')

export interface Block {
  readonly language: string
  readonly text: string
  /** The file that its first line names, in a comment. */
  readonly file: string | undefined
}

/** @returns the text below a heading, up to the next of its level */
export const section = (heading: string): string => {
  const found = README.split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  if (found === undefined) throw new Error(`the README has no section '${heading}'`)
  return found
}

/** @returns the fenced blocks of a text, in order */
export const blocksOf = (text: string): Block[] =>
  [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', block = '']) => ({
    language,
    text: block,
    file: /^\/\/ (\S+\.m?ts)\n/.exec(block)?.[1],
  }))

/** @returns the rows of the first table of a text, as cells without their backticks */
export const tableOf = (text: string): string[][] => {
  const rows = text.split('\n').filter((line) => line.startsWith('| '))
  return rows
    .slice(1)
    .map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')))
}
