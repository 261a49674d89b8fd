/** Changes to a package.json that leave the rest of its text as it is. */
import { basename } from 'node:path'
import { applyEdits, modify, parse } from 'jsonc-parser'
import { ConfigError } from '../model/errors.ts'
import type { Manifest } from './starter.ts'

/** The scripts that `ztask init` adds, under names that no other tool's scripts have. */
export const SCRIPTS = { 'ztask:daemon': 'ztask daemon', 'ztask:generate': 'ztask generate' } as const

/**
 * @param file its path, for the error
 * @throws ConfigError where it is no JSON object
 */
export const readManifest = (text: string, file: string): Manifest => {
  try {
    const found: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    if (isObject(found) && (found.scripts === undefined || isObject(found.scripts))) return found
  } catch {
    // Told below.
  }
  throw new ConfigError(
    `${file} is no JSON object, or its scripts are none. Correct it, and run ztask init again.`,
    { file },
  )
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @returns the text with the scripts that it lacks, and their names */
export const withScripts = (text: string): { text: string; added: string[] } => {
  const known = Object.keys((parse(text) as { scripts?: object }).scripts ?? {})
  const missing = Object.entries(SCRIPTS).filter(([name]) => !known.includes(name))
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  '
  const formattingOptions = {
    insertSpaces: !indent.startsWith('\t'),
    tabSize: indent.startsWith('\t') ? 1 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  }
  let changed = text
  for (const [name, command] of missing)
    changed = applyEdits(changed, modify(changed, ['scripts', name], command, { formattingOptions }))
  return { text: changed, added: missing.map(([name]) => name) }
}

/** @returns the text of a package.json for a folder that has none */
export const newManifest = (root: string): string => {
  const name = basename(root)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+|-+$/g, '')
  return `${JSON.stringify({ name: name || 'app', private: true, type: 'module', scripts: SCRIPTS }, null, 2)}\n`
}
