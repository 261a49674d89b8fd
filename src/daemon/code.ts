/**
 * The code that runs: brought up as generations of workers, and followed where it changes. It closes a ring of its own, of
 * the watch, generate, and the workers.
 */
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { CONFIG_FILES, generatedFiles, type Project } from '../config.ts'
import type { Reading } from '../config-anew.ts'
import { configModules } from '../config-module.ts'
import { TICK } from '../file-time.ts'
import { ConfigError, DaemonError } from '../model/errors.ts'
import type { Worker } from '../model/run.ts'
import { builtFolder, type FoundRegistry, findRegistry, isTypeScript } from '../registry-file.ts'
import type { Loading, WorkerMessage } from '../wire/ipc.ts'
import { loadFault } from './code/fault.ts'
import { Graph } from './code/graph.ts'
import { KeptModules } from './code/kept.ts'
import { needRestart } from './code/restart.ts'
import { checkGenerated, Generator } from './generator.ts'
import type { Journal } from './journal.ts'
import { WorkerBrokenError } from './pool.ts'
import { Reloads, type ReloadsOptions, type Watch, watchProject } from './reload.ts'
import { isOutOfDate } from './staleness.ts'
import { Typecheck } from './typecheck.ts'

export interface CodeOptions {
  readonly project: Project
  /** By its file alone: what generate writes does not depend on the environment. */
  readonly committed: Project
  readonly journal: Journal
  /** Generate, and follow what changes. */
  readonly development: boolean
  /** Run the project's compiler after each change, and tell what it says. */
  readonly typecheck: boolean
  /** How long what is asked for may take, ms. */
  readonly readyTimeout: number
  /** The file of the database, absolute; what is kept for the next generation is beside it. */
  readonly database: string
  /** Files of variables that were read at the start, absolute. */
  readonly envFiles: readonly string[]
  /** Reads those files and the configuration again. */
  readonly reread: () => Promise<Reading>
  /** Processes of workers to come may be made, those that are not there yet. */
  readonly prepare: () => void
  /** Those that were made go: their environment may be another now. */
  readonly discard: () => void
  /** Brings up a generation. @returns the workers of those before it, which get no more jobs */
  readonly renew: (loading: Omit<Loading, 'skip'>, signal: AbortSignal) => Promise<readonly Worker[]>
  /** Resolves when none of these begins another job. */
  readonly standDown: (workers: readonly Worker[]) => Promise<void>
  /** A generation has taken over after a change. */
  readonly renewed: () => void
}

/** How the newest attempt to reload ended, where it failed. */
export interface ReloadFault {
  /** Epoch ms. */
  readonly at: number
  readonly message: string
}

/** What comes within this of a save is part of it, ms: an editor's events lie a few apart. */
const SETTLE = 20
/** When processes for the next change are made, ms after one: what waits for the new code comes first. */
const PREPARE_AFTER = 300
/** When production looks at its sources, ms after it serves: the parser takes a core for a second or two, which the start needs. */
const CHECK_AFTER = 2000

export class Code {
  readonly #options: CodeOptions
  readonly #generator: Generator
  readonly #graph = new Graph()
  readonly #opened = Promise.withResolvers<void>()
  readonly #checking = new AbortController()
  #project: Project
  #committed: Project
  /** What the configuration came from, absolute. */
  #configFiles: readonly string[] = configModules()
  /** What has changed, and could not be read; and whether processes that wait, and what is kept for them, are of before that. */
  #isUnread = false
  #isStale = false
  #registry: FoundRegistry | undefined
  /** The registry's text as the newest generation has loaded it. */
  #registryText: string | undefined
  /** What runs is what the files say, as far as is known. */
  #isSound = true
  #fault: ReloadFault | undefined
  #generation = 0
  #watch: Watch | undefined
  /** Where nothing is watched: only what is asked for. */
  readonly #asked: Reloads
  /** What generate has read beside the sources: what tsconfig.json extends, say. */
  readonly #outside = new Set<string>()
  #typecheck: Typecheck | undefined
  readonly #modules: KeptModules
  #preparing: NodeJS.Timeout | undefined
  /** Why the module of a task did not load, as it was told: not once a task and worker. */
  readonly #told = new Set<string>()

  constructor(options: CodeOptions) {
    this.#options = options
    this.#project = options.project
    this.#committed = options.committed
    this.#generator = new Generator(options.project.root, options.readyTimeout)
    this.#modules = new KeptModules(options.database)
    this.#asked = new Reloads({ settle: 0, ...this.#reloading })
  }

  /** The project as its files say now; what only a restart can change is in the daemon's own. */
  get project(): Project {
    return this.#project
  }

  /** Whether workers will load TypeScript by tsx. */
  get isTypeScript(): boolean {
    return isTypeScript(this.#registry?.file ?? '') && this.#project.settings.loader === undefined
  }

  /** Why the newest code does not run, where it does not. */
  get fault(): ReloadFault | undefined {
    return this.#fault
  }

  /**
   * Brings up the first generation.
   *
   * @throws GenerateError, DaemonError where it cannot be
   */
  async open(): Promise<void> {
    const { development, typecheck, journal } = this.#options
    const { root } = this.#project
    if (typecheck)
      this.#typecheck = new Typecheck({
        root,
        checked: (report) => journal.typechecked(report),
        failed: (error) => journal.notTypechecked(error),
      })
    if (development) {
      // Before anything is read: what is saved from now on must not go unseen.
      this.#watch = await this.#follow()
      // Settings have been read before there was a watch.
      this.#watch.follow(this.#settingsFiles(), performance.timeOrigin + TICK)
      await this.#generate()
    }
    await this.#bringUp(false, this.#checking.signal)
    this.#typecheck?.run()
    this.#prepareSoon()
    this.#opened.resolve()
  }

  /** In production nothing is generated: says where that has been forgotten. It hinders nobody. */
  checkLater(): void {
    if (this.#options.development) return
    const { journal } = this.#options
    const { signal } = this.#checking
    const check = async (): Promise<void> => {
      try {
        const fault = await checkGenerated(this.#project.root, signal)
        if (fault !== undefined) journal.differsFromSources(fault)
      } catch (error) {
        if (!signal.aborted) journal.notChecked(error as Error)
      }
    }
    const timer = setTimeout(() => void check(), CHECK_AFTER)
    signal.addEventListener('abort', () => clearTimeout(timer))
  }

  /** Brings up a generation on the code as it is now, though nothing may have changed; rejects where it cannot be. */
  reload(): Promise<void> {
    return (this.#watch ?? this.#asked).now()
  }

  /** Removes what workers have left for others; once there are none. */
  clean(): void {
    this.#modules.remove()
  }

  async stop(): Promise<void> {
    this.#checking.abort(new DaemonError('The daemon is ending: it reloads no code.'))
    clearTimeout(this.#preparing)
    this.#generator.stop()
    this.#typecheck?.stop()
    this.#asked.stop()
    await this.#watch?.stop()
  }

  /** A worker speaks of its code. @returns whether it did */
  hear(worker: Worker, message: WorkerMessage): boolean {
    if (message.kind === 'files') {
      // What old code comes from may change.
      if (worker.generation < this.#generation) return true
      this.#graph.add(worker.generation, message.files)
      this.#watch?.follow(message.files, message.since)
      return true
    }
    if (message.kind !== 'faulty') return false
    this.#isSound = false
    const text = loadFault(message.failure, this.#project.root)
    if (!this.#told.has(text)) this.#options.journal.faulty(message.task, text)
    this.#told.add(text)
    return true
  }

  async #follow(): Promise<Watch> {
    const { journal } = this.#options
    const { root, settings } = this.#project
    const found = await findRegistry(this.#project).catch(() => undefined)
    const built = found === undefined ? undefined : builtFolder(this.#project, found.file)
    return watchProject({
      root,
      include: settings.include,
      generated: generatedFiles(this.#project),
      also: [...this.#settingsFiles(), ...(built === undefined ? [] : [built])],
      settle: SETTLE,
      noticed: (file) => {
        // Where there are none yet: it takes as long as what else there is to do until they are needed.
        if (this.#matters([file])) this.#options.prepare()
      },
      matters: (file) => this.#matters([file]),
      ...this.#reloading,
      blind: (error) => journal.blind(error),
    })
  }

  get #reloading(): Pick<ReloadsOptions, 'renew' | 'failed'> {
    return {
      renew: async (files, asked, signal) => {
        await this.#opened.promise
        await this.#renew(files, asked, signal)
      },
      failed: (error) => this.#failed(error),
    }
  }

  #settingsFiles(): string[] {
    const { root } = this.#project
    return [
      ...['tsconfig.json', 'package.json', ...CONFIG_FILES].map((name) => join(root, name)),
      ...this.#configFiles,
      ...this.#options.envFiles,
    ]
  }

  #failed(error: Error): void {
    this.#isSound = false
    this.#fault = { at: Date.now(), message: error.message }
    this.#options.journal.notReloaded(error)
    this.#prepareSoon()
  }

  async #renew(files: readonly string[], asked: boolean, signal: AbortSignal): Promise<void> {
    const { development, journal, renewed } = this.#options
    const began = performance.now()
    const settings = this.#settingsFiles()
    if (asked || files.some((file) => settings.includes(file))) this.#isUnread = true
    if (this.#isUnread || files.some((file) => this.#outside.has(file))) this.#isStale = true
    if (this.#isUnread) await this.#reread()
    this.#isUnread = false
    if (this.#isStale) {
      // Their environment may be another now, and tsx reads tsconfig.json, with what it extends, as a process begins.
      this.#options.discard()
      this.#modules.forget()
    }
    this.#isStale = false
    if (development) await this.#generate()
    signal.throwIfAborted()
    // With the client as it is now.
    this.#typecheck?.run()
    if (!asked && !this.#matters(files) && !(await this.#isRegistryNew())) return
    if (files.length > 0) journal.changed(files.map((file) => relative(this.#project.root, file)))
    const old = await this.#bringUp(true, signal)
    this.#isSound = true
    this.#fault = undefined
    this.#told.clear()
    await this.#options.standDown(old)
    journal.reloaded(this.#generation, performance.now() - began)
    renewed()
    this.#prepareSoon()
  }

  /** In development the next change will come. */
  #prepareSoon(): void {
    if (!this.#options.development) return
    clearTimeout(this.#preparing)
    this.#preparing = setTimeout(() => this.#options.prepare(), PREPARE_AFTER)
  }

  /** Whether the workers have loaded one of the files, or would load it next. */
  #matters(files: readonly string[]): boolean {
    if (!this.#isSound) return true
    const settings = this.#settingsFiles()
    return files.some((file) => this.#graph.has(file) || this.#outside.has(file) || settings.includes(file))
  }

  /** Not what generate has just written: a checkout brings its own registry along. */
  async #isRegistryNew(): Promise<boolean> {
    return this.#registryText !== (await textOf((await findRegistry(this.#project)).file))
  }

  async #reread(): Promise<void> {
    const { project: first, reread, journal } = this.#options
    const began = Date.now()
    const { files, result } = await reread()
    this.#configFiles = files
    // Also where one of its modules is what does not load: that is to be mended.
    this.#watch?.follow(files, began)
    if ('error' in result) throw new ConfigError(result.error.message, result.error.data)
    const { project, committed } = result
    for (const sentence of needRestart(first.settings, project.settings)) journal.needsRestart(sentence)
    this.#project = project
    this.#committed = committed
    this.#watch?.widen(project.settings.include, generatedFiles(project))
  }

  async #generate(): Promise<void> {
    const { journal } = this.#options
    journal.generating()
    const began = Date.now()
    const { warnings, outside } = await this.#generator.generate(this.#committed)
    for (const file of outside) this.#outside.add(file)
    this.#watch?.follow(outside, began)
    if (warnings !== '') journal.generateWarned(warnings)
  }

  async #bringUp(strict: boolean, signal: AbortSignal): Promise<readonly Worker[]> {
    const project = this.#project
    const { journal, development, renew } = this.#options
    this.#registry = await findRegistry(project)
    const { file, source } = this.#registry
    if (source !== undefined && (await isOutOfDate(this.#registry)))
      journal.outOfDate(relative(project.root, file), relative(project.root, source))
    const text = await textOf(file)
    const { loader, onLoad, onExit } = project.settings
    try {
      const modules = development && this.isTypeScript ? this.#modules.next() : undefined
      const loading = { registry: file, loader, onLoad, onExit, strict, traced: development, modules }
      const old = await renew(loading, signal)
      if (modules !== undefined) this.#modules.taken(modules)
      return old
    } catch (error) {
      // Whatever is kept, it is not to be why the next save fails.
      this.#modules.forget()
      throw error instanceof WorkerBrokenError ? cannotLoad(error, project.root) : error
    } finally {
      this.#registryText = text
    }
  }

  /** A generation takes over. */
  learn(generation: number): void {
    this.#generation = generation
    this.#graph.renewed(generation)
  }
}

const textOf = (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined)

const cannotLoad = (cause: WorkerBrokenError, root: string): DaemonError => {
  const told = cause.failure === undefined ? cause.message : loadFault(cause.failure, root)
  return new DaemonError(`The workers cannot load the code: ${told}`, { failure: cause.failure }, { cause })
}
