/** Development: when a file of the project changes, generate again, and let a daemon bring its workers to the new code. */
import { existsSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'

export interface ReloadOptions {
  readonly root: string
  /** The globs that generate scans: their folders are watched, also those that come later. */
  readonly include: readonly string[]
  /** What is written by generate itself, absolute. */
  readonly generated: readonly string[]
  /** Files and folders beside them that count too, absolute. */
  readonly also: readonly string[]
  /** An editor's save is several events, a checkout thousands: what comes within this belongs together, ms. */
  readonly settle: number
  /** Told what a reload is for, relative to `root`. */
  readonly changed: (files: readonly string[]) => void
  /** Does what a change asks for; one at a time. */
  readonly renew: () => Promise<void>
  readonly failed: (error: Error) => void
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
  stop(): Promise<void>
}

/** Watches from now on. */
export const watchProject = async (options: ReloadOptions): Promise<Watch> => {
  const { watch } = await import('chokidar')
  const { root, generated } = options
  const wanted = [...options.include.map((glob) => resolve(root, baseOf(glob))), ...options.also]
  // From the root down, as a folder or a file may come later; and what lies elsewhere.
  const watcher = watch([root, ...wanted.filter((path) => !isIn(path, root) && existsSync(path))], {
    ignoreInitial: true,
    ignored: (path) =>
      generated.includes(path) ||
      HIDDEN.test(relative(root, path)) ||
      !wanted.some((one) => isIn(path, one) || isIn(one, path)),
  })
  const reloads = new Reloads(options)
  watcher.on('all', (_, path) => {
    if (CODE.test(path)) reloads.notice(relative(options.root, path))
  })
  watcher.on('error', (error) => options.blind(error as Error))
  await new Promise<void>((resolve) => {
    watcher.once('ready', () => resolve())
    watcher.once('error', () => resolve())
  })
  return {
    notice: (file) => reloads.notice(relative(root, file)),
    async stop() {
      reloads.stop()
      await watcher.close()
    },
  }
}

/** One reload at a time; what changes meanwhile brings one more. */
class Reloads {
  readonly #options: ReloadOptions
  #timer: NodeJS.Timeout | undefined
  #running = false
  #stopped = false
  #files = new Set<string>()

  constructor(options: ReloadOptions) {
    this.#options = options
  }

  notice(file: string): void {
    if (this.#stopped) return
    this.#files.add(file)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#reload(), this.#options.settle)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #reload(): Promise<void> {
    if (this.#running) return
    this.#running = true
    while (this.#files.size > 0 && !this.#stopped) {
      this.#options.changed([...this.#files])
      this.#files.clear()
      try {
        await this.#options.renew()
      } catch (error) {
        if (!this.#stopped) this.#options.failed(error as Error)
      }
    }
    this.#running = false
  }
}
