/** Scans a project as often as it is asked, and does no more than has changed since the last time. */
import type { Project } from '../src/config.ts'
import { compiledRegistry, readBuild } from '../src/registry-file.ts'
import { type Kept, keep, loadKept, scannerStamp } from './cache.ts'
import { Disk } from './disk.ts'
import { byPlace } from './problem.ts'
import type { Scan, Scanning } from './scan.ts'
import { namesZtask, sourcePaths, ztaskNames } from './sources.ts'

/** The project as it is, before any file is read. */
interface Look {
  /** Stands for what a scan depends on that is no source and no import. */
  readonly key: string
  /** The sources. */
  readonly paths: readonly string[]
  /** What the project's build made of the registry. */
  readonly compiled: string | undefined
}

/** A scan that ended well. */
interface Done {
  readonly kept: Kept
  /** The sources as parsed by this process; not where the scan came from the cache, or no source names ztask. */
  readonly scanning: Scanning | undefined
}

/** What came and what changed since a scan. */
interface Change {
  readonly changed: ReadonlySet<string>
  readonly added: readonly string[]
}

export class Scanner {
  readonly #project: Project
  #last: Done | undefined
  #outside: readonly string[] = []

  constructor(project: Project) {
    this.#project = project
  }

  /** @throws ConfigError where the project's tsconfig.json cannot be read */
  async scan(): Promise<Scan> {
    const look = await this.#look()
    const last = this.#last ?? loaded(this.#project.root)
    const change = last && changeSince(last.kept, look)
    // Until this one has ended well: what has been read must not stand for what was not found.
    this.#last = undefined
    const isSame = change?.changed.size === 0 && change.added.length === 0
    const now = last !== undefined && isSame ? last : await this.#renewed(look, last, change)
    if (now.kept.disk.isNews) keep(this.#project.root, now.kept)
    this.#last = now
    const sources = new Set(look.paths)
    this.#outside = now.kept.disk.texts().filter((path) => !sources.has(path))
    return now.kept.scan
  }

  /** What the last scan that ended well read, and that is no source: what tsconfig.json extends, modules of constants. */
  get outside(): readonly string[] {
    return this.#outside
  }

  /** Parses the sources, where the last scan came from the cache: the next change is then quick. */
  async warm(): Promise<void> {
    if (this.#last?.scanning === undefined) this.#last = await this.#renewed(await this.#look())
  }

  /** Only what changed is parsed again, where that is all there is to it. */
  async #renewed(look: Look, last?: Done, change?: Change): Promise<Done> {
    if (change !== undefined && last?.scanning?.renew(change.changed, change.added) === true)
      return this.#scanned(look, last.scanning, last.kept.disk)
    const disk = new Disk()
    const sources = look.paths.map((path) => ({ path, text: disk.readFile(path) ?? '' }))
    const names = ztaskNames(this.#project.root, disk)
    if (!sources.some((source) => namesZtask(source, names)))
      return { kept: { key: look.key, paths: look.paths, disk, scan: NOTHING }, scanning: undefined }
    // The parser costs 350 ms to load.
    const { Scanning } = await import('./scan.ts')
    return this.#scanned(look, new Scanning(this.#project.root, sources, disk), disk)
  }

  async #scanned({ key, paths, compiled }: Look, scanning: Scanning, disk: Disk): Promise<Done> {
    const { settingsProblems } = await import('./settings-problems.ts')
    const { tasks, problems, tsExtensions } = scanning.scan()
    const more = settingsProblems(this.#project, tasks, scanning.options, compiled, disk)
    const scan = { tasks, problems: [...problems, ...more].sort(byPlace), tsExtensions }
    return { kept: { key, paths, disk, scan }, scanning }
  }

  async #look(): Promise<Look> {
    const { output, loader, registry } = this.#project.settings
    const build = await readBuild(this.#project.root)
    const compiled = compiledRegistry(this.#project, build)
    const key = JSON.stringify([scannerStamp(), output, loader, registry, compiled !== undefined])
    return { key, paths: sourcePaths(this.#project, build.outDir), compiled }
  }
}

const loaded = (root: string): Done | undefined => {
  const kept = loadKept(root)
  return kept && { kept, scanning: undefined }
}

/** @returns nothing where more than the content of sources is another: a source is gone, say. */
const changeSince = (kept: Kept, { key, paths }: Look): Change | undefined => {
  const now = new Set(paths)
  if (kept.key !== key || !kept.paths.every((path) => now.has(path))) return undefined
  const before = new Set(kept.paths)
  return { changed: kept.disk.changed(), added: paths.filter((path) => !before.has(path)) }
}

const NOTHING: Scan = { tasks: [], problems: [], tsExtensions: false }
