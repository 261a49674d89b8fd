/**
 * The packages of a monorepo: by what specifier a file of one is imported from another, and what a specifier leads to.
 *
 * A relative path from one package into another holds among sources alone: what they are compiled to lies elsewhere. So
 * a file is imported by its package's name where the package offers it: the source itself, or what tsconfig.json
 * compiles it to, whether that is there already or not.
 */
import { dirname, join } from 'node:path'
import type { Disk } from './disk.ts'
import { Package, type PackageJson } from './package.ts'

export class Packages {
  readonly #disk: Disk
  readonly #byFolder = new Map<string, Package | undefined>()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** @returns the package that a file belongs to: the nearest above it that has a name. */
  of(file: string): Package | undefined {
    return this.#above(dirname(file))
  }

  /** @returns the specifier by which code in a folder imports a file of another package, where that is offered and installed. */
  specifier(folder: string, file: string): string | undefined {
    const owner = this.of(file)
    if (owner === undefined || owner === this.#above(folder)) return undefined
    const installed = this.#installed(owner.name, folder)
    return installed === this.#disk.realpath(owner.folder) ? owner.specifierOf(file) : undefined
  }

  /** @returns the source that a specifier leads to where that is a package of this monorepo, compiled or not. */
  resolve(from: string, specifier: string): string | undefined {
    const [, name, rest = ''] = /^((?:@[^/]+\/)?[^./#@][^/]*)(\/.*)?$/.exec(specifier) ?? []
    if (name === undefined) return undefined
    const own = this.of(from)
    // A package may import itself by its name.
    if (own?.name === name) return own.fileOf(`.${rest}`)
    const folder = this.#installed(name, dirname(from))
    const isLink = folder !== undefined && !/[\\/]node_modules[\\/]/.test(folder)
    return isLink ? this.#above(folder)?.fileOf(`.${rest}`) : undefined
  }

  /** The folder that a package's name leads to; a link, where it is one of the monorepo, leads out of node_modules. */
  #installed(name: string, folder: string): string | undefined {
    const modules = join(folder, 'node_modules')
    const path = join(modules, name)
    if (this.#disk.directoryExists(modules) && this.#disk.directoryExists(path))
      return this.#disk.realpath(path)
    const parent = dirname(folder)
    return parent === folder ? undefined : this.#installed(name, parent)
  }

  #above(folder: string): Package | undefined {
    if (!this.#byFolder.has(folder)) this.#byFolder.set(folder, this.#at(folder) ?? this.#beyond(folder))
    return this.#byFolder.get(folder)
  }

  #at(folder: string): Package | undefined {
    try {
      const json: PackageJson = JSON.parse(this.#disk.readFile(join(folder, 'package.json')) ?? '{}')
      return typeof json.name === 'string' ? new Package(folder, json.name, json, this.#disk) : undefined
    } catch {
      // No JSON: no package that could be imported by a name.
      return undefined
    }
  }

  #beyond(folder: string): Package | undefined {
    const parent = dirname(folder)
    return parent === folder ? undefined : this.#above(parent)
  }
}
