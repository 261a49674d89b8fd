/** Development: which files of a project change, and when that is to be acted upon. */
import { existsSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import type { FSWatcher } from 'chokidar'
import { changedAt, TICK } from '../file-time.ts'
import { Reloads, type ReloadsOptions } from './reload/reloads.ts'

export { Reloads, type ReloadsOptions } from './reload/reloads.ts'

export interface WatchOptions extends ReloadsOptions {
  readonly root: string
  /** The globs that generate scans: their folders are watched, also those that come later. */
  readonly include: readonly string[]
  /** What is written by generate itself, absolute. */
  readonly generated: readonly string[]
  /** Files and folders beside them that count too, absolute; of these files any kind. */
  readonly also: readonly string[]
  /** A file has changed, absolute; others may, until it is acted upon. */
  readonly noticed?: (file: string) => void
  /** A part of the project cannot be watched. */
  readonly blind: (error: Error) => void
}

/** What can change the code; a task that writes its output beside the sources reloads nothing. */
const CODE = /\.([cm]?[jt]sx?|json)$/

/** Of the path below the project; above it anything goes, a git worktree in a dot folder say. */
const HIDDEN = /(^|[\\/])(node_modules|\.[^\\/.][^\\/]*)([\\/]|$)/

/** @returns whether a path is a folder or lies in it. */
const isIn = (path: string, folder: string): boolean => `${path}${sep}`.startsWith(`${folder}${sep}`)

/** @returns the part of a glob before its first wildcard: a folder to watch */
const baseOf = (glob: string): string => {
  const parts = glob.split('/')
  const wild = parts.findIndex((part) => /[*?[{(!]/.test(part))
  return (wild === -1 ? parts : parts.slice(0, wild)).join('/') || '.'
}

export interface Watch {
  /** Takes a file that changed elsewhere, absolute, for one of those that are watched. */
  notice(file: string): void
  /**
   * Files count from now on, wherever they lie.
   *
   * @param since when the first of them was read, epoch ms: what has changed since is noticed, as it may not have counted then
   */
  follow(files: readonly string[], since: number): void
  /** Watches for these globs, too, from now on; and what is written by generate is this. */
  widen(include: readonly string[], generated: readonly string[]): void
  /** Acts now, whether anything has changed or not. Resolves when that is done; rejects where it fails. */
  now(): Promise<void>
  stop(): Promise<void>
}

/** Watches from now on. */
export const watchProject = async (options: WatchOptions): Promise<Watch> => {
  const { watch } = await import('chokidar')
  const { root, also } = options
  let { generated } = options
  const wanted = foldersOf(options.include, root).concat(also)
  const reloads = new Reloads(options)
  const notice = (path: string): void => {
    options.noticed?.(path)
    reloads.notice(path)
  }
  const isWatched = (path: string): boolean =>
    also.includes(path) ||
    (!generated.includes(path) &&
      !HIDDEN.test(relative(root, path)) &&
      wanted.some((one) => isIn(path, one) || isIn(one, path)))
  const isApart = (path: string): boolean => !isIn(path, root) || HIDDEN.test(relative(root, path))
  // From the root down, as a folder or a file may come later; and what that does not lead to.
  const watcher = watch([root, ...wanted.filter((path) => isApart(path) && existsSync(path))], {
    ignoreInitial: true,
    ignored: (path) => !isWatched(path),
  })
  watcher.on('all', (event, path) => {
    if (isFolders(event)) return
    if (also.includes(path) || CODE.test(path) || options.matters?.(path) === true) notice(path)
  })
  watcher.on('error', (error) => options.blind(error as Error))
  const elsewhere = watch([])
  const followed = new Set<string>()
  /** Those that are not watched yet, and since when they should be. */
  const coming = new Map<string, number>()
  const check = (file: string, since: number): void => {
    if (changedAt(file) > since - TICK) notice(file)
  }
  elsewhere.on('all', (event, path) => {
    if (isFolders(event)) return
    const since = coming.get(path)
    coming.delete(path)
    // It is told just before the watch begins.
    if (event === 'add' && since !== undefined) setImmediate(() => check(path, since))
    else notice(path)
  })
  elsewhere.on('error', (error) => options.blind(error as Error))
  await ready(watcher)
  return {
    notice,
    follow(files, since) {
      const counting = files.filter((file) => !generated.includes(file))
      const isKnown = (file: string): boolean => followed.has(file) || (isIn(file, root) && isWatched(file))
      for (const file of counting.filter(isKnown)) check(file, since)
      const fresh = counting.filter((file) => !isKnown(file))
      for (const file of fresh) {
        followed.add(file)
        coming.set(file, since)
      }
      if (fresh.length > 0) elsewhere.add(fresh)
    },
    widen(include, written) {
      generated = written
      const fresh = foldersOf(include, root).filter((folder) => !wanted.includes(folder))
      wanted.push(...fresh)
      if (fresh.length > 0) watcher.add(fresh)
    },
    now: () => reloads.now(),
    async stop() {
      reloads.stop()
      await Promise.all([watcher.close(), elsewhere.close()])
    },
  }
}

/** What a folder holds is told of by itself. */
const isFolders = (event: string): boolean => event === 'addDir' || event === 'unlinkDir'

const foldersOf = (include: readonly string[], root: string): string[] =>
  include.map((glob) => resolve(root, baseOf(glob)))

const ready = (watcher: FSWatcher): Promise<void> =>
  new Promise<void>((resolve) => {
    watcher.once('ready', () => resolve())
    watcher.once('error', () => resolve())
  })
