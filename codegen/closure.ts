/**
 * Which files may define tasks: those that name ztask, and those that reach `task` through the project's own modules.
 * Only they are parsed. A text filter alone would lose the second kind; parsing everything costs seconds at 5,000 files.
 */
import { basename, dirname, extname } from 'node:path'
import { Node, type SourceFile } from 'ts-morph'
import { assignedExports } from './commonjs.ts'
import type { Modules } from './modules.ts'
import { exportedConstants, exportedName, type Origin, type Origins } from './origins.ts'
import { namesZtask, type SourceText, specifiersOf } from './sources.ts'

/** @returns the parsed files that may define tasks, in the order of `sources`. */
export const closure = (sources: readonly SourceText[], modules: Modules, origins: Origins): SourceFile[] => {
  const found = new Map<string, SourceFile>()
  const carriers = new Set<SourceFile>()
  for (let reached = sources.filter((one) => namesZtask(one, modules.ztaskNames)); reached.length > 0; ) {
    for (const { path } of reached) found.set(path, modules.add(path))
    // All are asked again: a star leads somewhere only once the module behind it has been parsed.
    const fresh = [...found.values()].filter((file) => !carriers.has(file) && carriesTask(file, origins))
    for (const file of fresh) carriers.add(file)
    const rest = fresh.length === 0 ? [] : sources.filter(({ path }) => !found.has(path))
    reached = rest.filter((source) => mayImport(source, fresh, modules))
  }
  return sources.flatMap(({ path }) => found.get(path) ?? [])
}

/** Whether a module hands `task`, or a namespace that holds it, on to others. */
const carriesTask = (file: SourceFile, origins: Origins): boolean =>
  file.getExportDeclarations().some((list) => isCarried(list, file, origins)) ||
  file.getExportAssignments().some((one) => leadsToTask(origins.of(one.getExpression()))) ||
  exportedConstants(file).some((one) => leadsToTask(origins.ofExport(file, one.getName()))) ||
  // As with a star: what holds all of another module carries what that one carries.
  assignedExports(file).some(({ name, value }) =>
    leadsToTask(
      name === undefined
        ? Node.isExpression(value)
          ? origins.of(value)
          : undefined
        : origins.ofExport(file, name),
    ),
  )

const isCarried = (list: Node, file: SourceFile, origins: Origins): boolean => {
  if (!Node.isExportDeclaration(list)) return false
  const names = list.getNamedExports().map(exportedName)
  if (names.length > 0)
    return names.some((name) => name !== undefined && leadsToTask(origins.ofExport(file, name)))
  // A star, or a namespace: of another module of ours it carries what that one carries, and each such module is parsed.
  return origins.moduleOf(list) !== undefined
}

const leadsToTask = (origin: Origin | undefined): boolean =>
  origin?.kind === 'module' || (origin?.kind === 'ztask' && origin.name === 'task')

/** Whether a file has a specifier that could mean a carrier: by its last segment, or by an alias that could mean any. */
const mayImport = (source: SourceText, carriers: readonly SourceFile[], modules: Modules): boolean => {
  const names = new Set(carriers.flatMap((file) => namesOf(file.getFilePath())))
  const packages = carriers.flatMap((file) => modules.packages.of(file.getFilePath())?.name ?? [])
  const aliases = Object.keys(modules.options.paths ?? {}).map((key) => key.split('*')[0] ?? '')
  return specifiersOf(source).some(
    (specifier) =>
      names.has(stem(specifier)) ||
      // Without an extension, `./mail.queue` is named whole.
      names.has(basename(specifier)) ||
      /^#|(^|\/)\.{1,2}\/?$/.test(specifier) ||
      packages.some((name) => specifier === name || specifier.startsWith(`${name}/`)) ||
      aliases.some((alias) => specifier.startsWith(alias)),
  )
}

/** Of an index, or what a folder's package.json calls its main, the folder is named. */
const namesOf = (path: string): string[] => [stem(path), basename(dirname(path))]

const stem = (path: string): string => basename(path, extname(path))
