/** Scans a project as often as it is asked, and does no more than has changed since the last time. */
import type { Project } from '../src/config.ts'
import { type Kept, keep, loadKept } from './cache.ts'
import { Disk } from './disk.ts'
import type { Scan, Scanning } from './scan.ts'
import { namesZtask, sourcePaths } from './sources.ts'

export class Scanner {
  readonly #project: Project
  #kept: Kept | undefined
  /** The sources as read and parsed by this process. */
  #scanning: Scanning | undefined

  constructor(project: Project) {
    this.#project = project
  }

  /** @throws ConfigError where the project's tsconfig.json cannot be read */
  async scan(): Promise<Scan> {
    const { root } = this.#project
    const paths = sourcePaths(this.#project)
    const kept = this.#kept ?? loadKept(root)
    const changed = kept && isSame(paths, kept.paths) ? kept.disk.changed() : undefined
    this.#kept =
      kept !== undefined && changed?.size === 0 ? kept : await this.#renewed(paths, changed, kept?.disk)
    if (this.#kept.disk.isNews) keep(root, this.#kept)
    return this.#kept.scan
  }

  /** Parses the sources, where the last scan came from the cache: the next change is then quick. */
  async warm(): Promise<void> {
    if (this.#scanning === undefined) this.#kept = await this.#renewed(sourcePaths(this.#project))
  }

  async #renewed(paths: readonly string[], changed?: ReadonlySet<string>, known?: Disk): Promise<Kept> {
    if (changed !== undefined && known !== undefined && this.#scanning?.renew(changed) === true)
      return { paths, disk: known, scan: this.#scanning.scan() }
    const disk = new Disk()
    const sources = paths.map((path) => ({ path, text: disk.readFile(path) ?? '' }))
    if (!sources.some(namesZtask)) return { paths, disk, scan: NOTHING }
    // The parser costs 350 ms to load.
    const { Scanning } = await import('./scan.ts')
    this.#scanning = new Scanning(this.#project.root, sources, disk)
    return { paths, disk, scan: this.#scanning.scan() }
  }
}

const NOTHING: Scan = { tasks: [], problems: [], tsExtensions: false }

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((path, i) => path === b[i])
