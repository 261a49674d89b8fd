/** Scans a project as often as it is asked, and does no more than has changed since the last time. */
import { isDeepStrictEqual } from 'node:util'
import type { Project } from '../src/config.ts'
import { compiledRegistry, readBuild } from '../src/registry-file.ts'
import { type Kept, keep, loadKept, scannerStamp } from './cache.ts'
import { Disk } from './disk.ts'
import { byPlace } from './problem.ts'
import type { Scan, Scanning } from './scan.ts'
import { namesZtask, sourcePaths, ztaskNames } from './sources.ts'

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
    const compiled = await this.#compiled()
    const key = this.#keyOf(compiled)
    const kept = this.#kept ?? loadKept(root)
    const isSame = kept?.key === key && isDeepStrictEqual(paths, kept.paths)
    const changed = isSame ? kept.disk.changed() : undefined
    // Until the scan has ended well: what has been read must not stand for what was not found.
    this.#kept = undefined
    const now =
      kept !== undefined && changed?.size === 0
        ? kept
        : { key, paths, ...(await this.#renewed(paths, compiled, changed, kept?.disk)) }
    if (now.disk.isNews) keep(root, now)
    this.#kept = now
    return now.scan
  }

  /** Parses the sources, where the last scan came from the cache: the next change is then quick. */
  async warm(): Promise<void> {
    if (this.#scanning !== undefined) return
    const paths = sourcePaths(this.#project)
    const compiled = await this.#compiled()
    this.#kept = { key: this.#keyOf(compiled), paths, ...(await this.#renewed(paths, compiled)) }
  }

  async #renewed(
    paths: readonly string[],
    compiled: string | undefined,
    changed?: ReadonlySet<string>,
    known?: Disk,
  ): Promise<Pick<Kept, 'disk' | 'scan'>> {
    // The parser costs 350 ms to load.
    const parser = () => Promise.all([import('./scan.ts'), import('./settings-problems.ts')])
    let disk = known
    if (disk === undefined || changed === undefined || this.#scanning?.renew(changed) !== true) {
      // Its texts are those of other files.
      this.#scanning = undefined
      const fresh = new Disk()
      const sources = paths.map((path) => ({ path, text: fresh.readFile(path) ?? '' }))
      const names = ztaskNames(this.#project.root, fresh)
      if (!sources.some((source) => namesZtask(source, names))) return { disk: fresh, scan: NOTHING }
      const [{ Scanning }] = await parser()
      this.#scanning = new Scanning(this.#project.root, sources, fresh)
      disk = fresh
    }
    const [, { settingsProblems }] = await parser()
    const found = this.#scanned(this.#scanning)
    const { options } = this.#scanning
    const more = settingsProblems(this.#project, found.tasks, options, compiled, disk)
    return { disk, scan: { ...found, problems: [...found.problems, ...more].sort(byPlace) } }
  }

  /** What a scan that failed has left half done is not used again. */
  #scanned(scanning: Scanning): Scan {
    this.#scanning = undefined
    const found = scanning.scan()
    this.#scanning = scanning
    return found
  }

  async #compiled(): Promise<string | undefined> {
    return compiledRegistry(this.#project, await readBuild(this.#project.root))
  }

  /** What a scan depends on that is no source and no import. */
  #keyOf(compiled: string | undefined): string {
    const { output, loader, registry } = this.#project.settings
    return JSON.stringify([scannerStamp(), output, loader, registry, compiled !== undefined])
  }
}

const NOTHING: Scan = { tasks: [], problems: [], tsExtensions: false }
