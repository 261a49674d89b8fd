/** Sources to tasks. Loads ts-morph, and so is imported only when a source names ztask. */
import { relative } from 'node:path'
import type { SourceFile, ts } from 'ts-morph'
import { placeAt } from '../src/model/place.ts'
import type { TaskOptions } from '../src/model/task.ts'
import { closure } from './closure.ts'
import { definitionsIn } from './definitions.ts'
import type { Disk } from './disk.ts'
import type { ManifestTask } from './manifest.ts'
import { Modules } from './modules.ts'
import { type Candidate, nameCandidates, unimportable } from './naming.ts'
import { type Fault, optionsOf } from './options.ts'
import { Origins } from './origins.ts'
import { byPlace, compare, type Problem, placeOf, problem } from './problem.ts'
import type { SourceText } from './sources.ts'
import { strayUses } from './stray.ts'
import { compilerOptions, usesTsExtensions } from './tsconfig.ts'

export interface Scan {
  /** Sorted by name. */
  readonly tasks: readonly ManifestTask[]
  /** Sorted by place. */
  readonly problems: readonly Problem[]
  readonly tsExtensions: boolean
}

/** The sources of a project, parsed as far as tasks may be in them. */
export class Scanning {
  readonly #root: string
  readonly #disk: Disk
  readonly #texts: Map<string, string>
  readonly #modules: Modules

  /** @throws ConfigError where the project's tsconfig.json cannot be read */
  constructor(root: string, sources: readonly SourceText[], disk: Disk) {
    this.#root = root
    this.#disk = disk
    this.#texts = new Map(sources.map(({ path, text }) => [path, text]))
    this.#modules = new Modules(root, compilerOptions(root, disk), disk, (path) => this.#texts.get(path))
  }

  /**
   * Takes the text of sources that changed, and of new ones.
   *
   * @returns whether that is all there is to take; where other files changed, imports may lead elsewhere
   */
  renew(changed: ReadonlySet<string>, added: readonly string[]): boolean {
    for (const path of changed) if (!this.#texts.has(path)) return false
    for (const path of [...changed, ...added]) {
      const text = this.#disk.readFile(path)
      if (text === undefined) return false
      this.#texts.set(path, text)
      this.#modules.renew(path)
    }
    return true
  }

  /** What tsconfig.json says to the compiler. */
  get options(): ts.CompilerOptions {
    return this.#modules.options
  }

  /** @returns the tasks that the sources define, and all that is wrong with them. */
  scan(): Scan {
    const modules = this.#modules
    const known = new Origins(modules.known)
    const fromRoot = (path: string): string => relative(this.#root, path).replaceAll('\\', '/')
    const sources = Array.from(this.#texts, ([path, text]) => ({ path, text }))
    // In one order, whenever each came: of two tasks of one name the first is the one that keeps it.
    const files = closure(
      sources.sort((a, b) => compare(a.path, b.path)),
      modules,
      known,
    ).filter((file) => !this.#isLink(file.getFilePath()))
    const syntax = files.map((file) => syntaxProblems(file, modules, fromRoot))
    // All definitions are found before any option is read: reading one may parse further files, and names are then bound anew.
    const whole = files.filter((_, i) => syntax[i]?.length === 0)
    const definitions = whole.flatMap((file) => definitionsIn(file, known))
    const any = new Origins(modules.any)
    const candidates = definitions.map((definition) => ({
      definition,
      // What cannot be reached has no options: those of a wrapper are not data, and need not be.
      ...(definition.inside === undefined ? optionsOf(definition.call, any) : { options: {}, faults: [] }),
    }))
    const { named, faults } = nameCandidates(candidates, fromRoot)
    const tsExtensions = usesTsExtensions(modules.options)
    const stray = whole.flatMap((file) => strayUses(file, known))
    const all = [
      ...candidates.flatMap((candidate) => candidate.faults),
      ...faults,
      ...stray,
      ...unimportable(named, tsExtensions),
    ]
    return {
      tasks: named.map((one) => manifestTask(one, fromRoot, modules)).sort((a, b) => compare(a.name, b.name)),
      problems: [...syntax.flat(), ...problemsOf(all, fromRoot)].sort(byPlace),
      tsExtensions,
    }
  }

  /** By another way to a source, a linked folder say, its tasks would be found twice. */
  #isLink(path: string): boolean {
    const real = this.#disk.realpath(path)
    return real !== path && this.#texts.has(real)
  }
}

const problemsOf = (faults: readonly Fault[], fromRoot: (path: string) => string): Problem[] =>
  faults.map(({ node, code, message, cure }) => problem(placeOf(node, fromRoot), code, message, cure))

const syntaxProblems = (file: SourceFile, modules: Modules, fromRoot: (path: string) => string): Problem[] =>
  modules.syntaxErrors(file).map(({ message, start, length }) => {
    const place = placeAt(file.getFullText(), fromRoot(file.getFilePath()), start, length)
    const cure = 'Correct the syntax: tasks may be hidden behind it.'
    return problem(place, 'syntax', `The file cannot be parsed: ${message}`, cure)
  })

const manifestTask = (
  { name, exportName, candidate }: { name: string; exportName: string; candidate: Candidate },
  fromRoot: (path: string) => string,
  modules: Modules,
): ManifestTask => {
  const file = candidate.definition.call.getSourceFile().getFilePath()
  const { name: _, aliases, ...options }: TaskOptions = candidate.options
  return {
    name,
    aliases: [...new Set(aliases)].filter((alias) => alias !== name),
    options,
    file: fromRoot(file),
    specifier: modules.specifierOf(file),
    export: exportName,
    comment: name === exportName && candidate.definition.declared ? undefined : candidate.definition.comment,
  }
}
