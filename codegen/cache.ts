/** What the last scan found, kept in .ztask: where nothing has changed, nothing is parsed. Safe to delete. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { Disk, type StoredFact } from './disk.ts'
import type { Scan } from './scan.ts'

/** A scan, with all that it depends on. */
export interface Kept {
  /** Stands for all else that it depends on. */
  readonly key: string
  /** The sources, absolute. */
  readonly paths: readonly string[]
  readonly disk: Disk
  readonly scan: Scan
}

interface Stored {
  readonly key: string
  readonly paths: readonly string[]
  readonly facts: readonly StoredFact[]
  readonly scan: Scan
}

const fileOf = (root: string): string => join(root, '.ztask/generate.json')

/** @returns what the last run kept; nothing where there is none that can be read. */
export const loadKept = (root: string): Kept | undefined => {
  try {
    const stored: Stored = JSON.parse(readFileSync(fileOf(root), 'utf8'))
    const { key, paths, facts, scan } = stored
    return { key, paths: paths.map((path) => join(root, path)), disk: Disk.from(facts, root), scan }
  } catch {
    // A cache that is missing, cut or foreign costs a scan, and is written anew.
    return undefined
  }
}

/** Keeps a scan for the next run, in one step: two runs at a time write one file or the other. */
export const keep = (root: string, { key, paths, disk, scan }: Kept): void => {
  const stored: Stored = {
    key,
    paths: paths.map((path) => relative(root, path)),
    facts: disk.stored(root),
    scan,
  }
  const file = fileOf(root)
  const temporary = `${file}.${process.pid}.tmp`
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(temporary, JSON.stringify(stored))
    renameSync(temporary, file)
  } catch {
    if (existsSync(temporary)) rmSync(temporary)
    // A checkout that may not be written to, or a full disk: the next run scans again, which is all that is lost.
  }
}

/** Another scanner may find other tasks: a release is known by its version, a checkout by the times of its files. */
export const scannerStamp = (): string =>
  [
    version(),
    ...[import.meta.dirname, join(import.meta.dirname, '../src/model')].flatMap((folder) =>
      readdirSync(folder)
        .map((name) => ({ name, stat: statSync(join(folder, name)) }))
        .map(({ name, stat }) => `${name} ${stat.size} ${stat.mtimeMs}`),
    ),
  ].join('\n')

const version = (): string => createRequire(import.meta.url)('ztask/package.json').version
