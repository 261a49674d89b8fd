/** Which registry workers load: the one that generate wrote, or what the project's build made of it. */
import { existsSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import type { Project } from './config.ts'
import { GenerateError } from './model/errors.ts'

/** A registry that workers can load. */
export interface FoundRegistry {
  /** Absolute. */
  readonly file: string
  /** The registry that generate wrote, where that is another file and is there. */
  readonly source: string | undefined
}

/** @returns whether workers load a registry by tsx, where no other loader is named */
export const isTypeScript = (registry: string): boolean => /\.[cm]?tsx?$/.test(registry)

const COMPILED = ['registry.js', 'registry.mjs']
const WRITTEN = ['registry.ts', ...COMPILED]

/**
 * Finds the registry: the setting `registry`, else the one in the output folder, else what that was compiled to by
 * tsconfig's outDir. A project with emitDecoratorMetadata has the last two the other way round, as tsx emits none.
 *
 * @throws GenerateError where there is none, naming the places looked at
 */
export const findRegistry = async (project: Project): Promise<FoundRegistry> => {
  const { root, settings } = project
  const folder = resolve(root, settings.output)
  const written = firstOf(folder, WRITTEN)
  const found = (file: string): FoundRegistry => ({ file, source: written === file ? undefined : written })
  if (settings.registry !== undefined) {
    const file = resolve(root, settings.registry)
    if (existsSync(file)) return found(file)
    throw new GenerateError(
      `There is no registry ${file}, which the setting 'registry' names. Build it, or correct the setting (ZTASKD_REGISTRY).`,
      { file },
    )
  }
  const build = await readBuild(root)
  const needsBuild = build.decoratorMetadata && settings.loader === undefined
  if (written !== undefined && !(needsBuild && written.endsWith('.ts'))) return found(written)
  const compiled = compiledRegistry(project, build)
  if (compiled !== undefined) return found(compiled)
  throw needsBuild && written !== undefined ? notBuilt(project, build) : notThere(project, build)
}

/** What tsconfig.json says of the project's build. */
export interface Build {
  /** Absolute. */
  readonly outDir: string
  /** Absolute; `undefined` where the compiler decides. */
  readonly rootDir: string | undefined
  readonly decoratorMetadata: boolean
  /** Why the file could not be read. */
  readonly fault: string | undefined
}

/** Where tsconfig.json names no outDir: another file may, or another tool builds. */
const USUAL_OUT_DIR = 'dist'

/** Reads tsconfig.json with all that it extends, without the compiler. */
export const readBuild = async (root: string): Promise<Build> => {
  const usual = { outDir: join(root, USUAL_OUT_DIR), rootDir: undefined, decoratorMetadata: false }
  const file = join(root, 'tsconfig.json')
  if (!existsSync(file)) return { ...usual, fault: undefined }
  const { parseTsconfig } = await import('get-tsconfig')
  try {
    const { outDir, rootDir, emitDecoratorMetadata } = parseTsconfig(file).compilerOptions ?? {}
    return {
      outDir: resolve(root, outDir ?? USUAL_OUT_DIR),
      rootDir: rootDir === undefined ? undefined : resolve(root, rootDir),
      decoratorMetadata: emitDecoratorMetadata === true,
      fault: undefined,
    }
  } catch (error) {
    // An image may lack the package that it extends, and need nothing of it.
    return { ...usual, fault: (error as Error).message }
  }
}

/** @returns what the registry in the output folder was compiled to, beside it too, where that is there. */
export const compiledRegistry = (project: Project, build: Build): string | undefined =>
  [...compiledFolders(project, build), resolve(project.root, project.settings.output)]
    .map((folder) => firstOf(folder, COMPILED))
    .find((file) => file !== undefined)

/** Without a rootDir TypeScript 6 keeps the path from tsconfig.json, and 5 leaves out what all sources share. */
const compiledFolders = ({ root, settings }: Project, { outDir, rootDir }: Build): string[] => {
  const output = resolve(root, settings.output)
  if (rootDir !== undefined) return [join(outDir, relative(rootDir, output))]
  const path = relative(root, output)
  return [join(outDir, path), join(outDir, ...path.split(sep).slice(1))]
}

/**
 * @returns the folder of the code that a registry belongs to, where that is not the sources' own: of
 * `dist/src/ztask/registry.js` and of `dist/ztask/registry.js` it is `dist`, with the output folder `src/ztask`
 */
export const builtFolder = ({ root, settings }: Project, file: string): string | undefined => {
  const tail = relative(root, resolve(root, settings.output)).split(sep)
  let folder = dirname(file)
  while (tail.length > 0 && basename(folder) === tail.pop()) folder = dirname(folder)
  return `${root}${sep}`.startsWith(`${folder}${sep}`) ? undefined : folder
}

const firstOf = (folder: string, names: readonly string[]): string | undefined =>
  names.map((name) => join(folder, name)).find((file) => existsSync(file))

const notThere = (project: Project, build: Build): GenerateError => {
  const { root, settings } = project
  const folders = [resolve(root, settings.output), ...compiledFolders(project, build)].map((folder) =>
    relative(root, folder),
  )
  const unread = build.fault === undefined ? '' : ` tsconfig.json cannot be read: ${build.fault}`
  return new GenerateError(
    `There is no registry in ${listOf(folders)}.${unread} Run ztask generate first; or, where the project is built elsewhere, name the built registry in the setting 'registry'.`,
    { root, folders },
  )
}

const notBuilt = (project: Project, build: Build): GenerateError => {
  const { root } = project
  const folders = compiledFolders(project, build).map((folder) => relative(root, folder))
  return new GenerateError(
    `tsconfig.json has emitDecoratorMetadata, which tsx cannot emit, and there is no compiled registry in ${listOf(folders)}. Build the project first; or name a loader that emits it in the setting 'loader'.`,
    { root, folders },
  )
}

const listOf = (names: readonly string[]): string => names.join(' or ')
