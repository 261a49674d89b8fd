/** Why code does not load, as a person reads it: the place, the line of code, what was thrown, and the way to it. */
import { readFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, GenerateError } from '../../model/errors.ts'
import type { Failure } from '../../model/outcome.ts'
import { type Place, placeOn, spot } from '../../model/place.ts'

/**
 * @param root the project's folder
 * @returns what a worker's code threw while it loaded. Where a module is missing, or ztask itself objects, there is no line of
 *   that to show: then it is a sentence with the cure
 */
export const loadFault = (failure: Failure, root: string): string => {
  const { name, message } = failure
  if (name === ConfigError.name || name === GenerateError.name) return message
  if (/^Cannot find (module|package) /.test(message)) {
    const said = message.replaceAll(/\s*\n(- )?/g, ' ')
    return `${said}. Put it back or install it; or correct the setting that names it: onLoad, onExit or loader.`
  }
  const place = placeIn(`${message}\n${failure.stack}`, root)
  if (place === undefined) return failure.stack || message
  const frame = place.frame.replace(/^/gm, '  ')
  return [`${spot(place)}: ${saying(failure)}`, frame, ...framesIn(failure.stack, root)].join('\n')
}

/**
 * `/path:line:column`, `file:///path:line:column`, as stacks and esbuild have them; Node's own parser knows no column, and
 * esbuild's begin with 0.
 */
const PLACE = /(file:\/\/)?((?:[A-Za-z]:)?[\\/][^\s:?()]+)(?:\?[^\s:()]*)?:(\d+)(?::(\d+))?(: ERROR: )?/g

const placeIn = (text: string, root: string): Place | undefined => {
  for (const [, url, path = '', line, column = '1', esbuild] of text.matchAll(PLACE)) {
    const file = url === undefined ? path : fileURLToPath(`${url}${path}`)
    if (!isOurs(file, root)) continue
    try {
      const name = relative(root, file).split(sep).join('/')
      const at = Number(column) + (esbuild === undefined ? 0 : 1)
      return placeOn(readFileSync(file, 'utf8'), name, Number(line), at, 1)
    } catch {
      // It is gone: another frame may do.
    }
  }
  return undefined
}

const isOurs = (file: string, root: string): boolean =>
  file.startsWith(`${root}${sep}`) && !file.includes(`${sep}node_modules${sep}`)

/** esbuild's message begins with a count, and repeats the place. */
const saying = ({ name, message }: Failure): string => {
  const [, said] = /ERROR: (.*)/.exec(message) ?? []
  return said === undefined ? `${name}: ${message}` : `SyntaxError: ${said}`
}

/** @returns the lines of a stack that are the project's own */
const framesIn = (stack: string, root: string): string[] =>
  stack
    .split('\n')
    .filter(
      (line) => /^\s+at /.test(line) && line.includes(root) && !line.includes(`${sep}node_modules${sep}`),
    )
    .map((line) => `  ${line.trim()}`)
