/** The project's modules as parsed so far, and what their import specifiers lead to. */
import { Project, type SourceFile, ts } from 'ts-morph'
import type { Disk } from './disk.ts'
import { Packages } from './packages.ts'
import { ztaskNames } from './sources.ts'

/** The package itself, as far as a scan is concerned: it is never opened. */
export const ZTASK = 'ztask'

/** A module that an import leads to. */
export type Module = SourceFile | typeof ZTASK

const EXTERNAL = /[\\/]node_modules[\\/]|\.d\.(\w+\.)?[mc]?ts$/

export class Modules {
  readonly packages: Packages
  /** What ztask is imported by. */
  readonly ztaskNames: ReadonlySet<string>
  readonly options: ts.CompilerOptions
  // Neither imports nor libraries are followed: names are bound within each file, and this class joins the files.
  readonly #project = new Project({
    compilerOptions: { noResolve: true, noLib: true, types: [], allowJs: true },
    skipAddingFilesFromTsConfig: true,
    skipFileDependencyResolution: true,
    skipLoadingLibFiles: true,
  })
  readonly #cache: ts.ModuleResolutionCache
  readonly #root: string
  readonly #disk: Disk
  readonly #sourceText: (path: string) => string | undefined

  /** @param sourceText the text of a source as it has been read, so that one run sees one version of it */
  constructor(
    root: string,
    options: ts.CompilerOptions,
    disk: Disk,
    sourceText: (path: string) => string | undefined,
  ) {
    this.packages = new Packages(disk)
    this.ztaskNames = ztaskNames(root, disk)
    this.options = options
    this.#root = root
    this.#disk = disk
    this.#sourceText = sourceText
    this.#cache = ts.createModuleResolutionCache(root, (path) => path, options)
  }

  /** Parses a file, once. */
  add(path: string): SourceFile {
    return this.#project.getSourceFile(path) ?? this.#parse(path)
  }

  /** Parses a source again, where it has been parsed. */
  renew(path: string): void {
    if (this.#project.getSourceFile(path) !== undefined) this.#parse(path)
  }

  /** @returns the module of a specifier, where it has been parsed already. */
  readonly known = (from: SourceFile, specifier: string): Module | undefined => {
    if (this.ztaskNames.has(specifier)) return ZTASK
    const path = this.#pathOf(from, specifier)
    return path === undefined ? undefined : this.#project.getSourceFile(path)
  }

  /** @returns the module of a specifier, parsed now if it has not been; nothing for packages. */
  readonly any = (from: SourceFile, specifier: string): Module | undefined => {
    const known = this.known(from, specifier)
    if (known !== undefined) return known
    const path = this.#pathOf(from, specifier)
    return path === undefined ? undefined : this.add(path)
  }

  /** @returns by what the project imports a file of another package; nothing where that is no name. */
  specifierOf(path: string): string | undefined {
    return this.packages.specifier(this.#root, path)
  }

  /** @returns the errors of the parser, each with its place in the file. */
  syntaxErrors(file: SourceFile): { message: string; start: number; length: number }[] {
    return this.#project
      .getProgram()
      .getSyntacticDiagnostics(file)
      .map((found) => ({
        message: ts.flattenDiagnosticMessageText(found.compilerObject.messageText, ' '),
        start: found.getStart(),
        length: found.getLength(),
      }))
  }

  #parse(path: string): SourceFile {
    const text = this.#sourceText(path) ?? this.#disk.readFile(path) ?? ''
    return this.#project.createSourceFile(path, text, { overwrite: true })
  }

  #pathOf(from: SourceFile, specifier: string): string | undefined {
    // Of another package TypeScript sees no more than what it is compiled to, and that only where it is there.
    const source = this.packages.resolve(from.getFilePath(), specifier)
    if (source !== undefined) return source
    const found = ts.resolveModuleName(specifier, from.getFilePath(), this.options, this.#disk, this.#cache)
    const path = found.resolvedModule?.resolvedFileName
    return path === undefined || EXTERNAL.test(path) || path.endsWith('.json') ? undefined : path
  }
}
