/** What cannot work of a project's settings, as warnings at their place in tsconfig.json. */
import { dirname, join, relative, resolve } from 'node:path'
import { createFilesMatcher, parseTsconfig, type TsConfigJsonResolved } from 'get-tsconfig'
import { ts } from 'ts-morph'
import type { Project } from '../src/config.ts'
import { placeAt } from '../src/model/place.ts'
import type { Disk } from './disk.ts'
import type { ManifestTask } from './manifest.ts'
import { type Problem, problem } from './problem.ts'
import { type ProjectFacts, type SettingFault, settingsFaults } from './settings-faults.ts'

const FILE = 'tsconfig.json'

/**
 * @param options the compiler's, as tsconfig.json gives them
 * @param compiled what the project's build made of the registry, where it is there
 * @param disk reads; what is read here counts as what the scan has read
 * @returns the warnings; none where the project has no tsconfig.json
 */
export const settingsProblems = (
  project: Project,
  tasks: readonly ManifestTask[],
  options: ts.CompilerOptions,
  compiled: string | undefined,
  disk: Disk,
): Problem[] => {
  const text = disk.readFile(join(project.root, FILE))
  if (text === undefined) return []
  return settingsFaults(options, factsOf(project, tasks, compiled, disk)).map((fault) =>
    problemOf(fault, text),
  )
}

const factsOf = (
  { root, settings }: Project,
  tasks: readonly ManifestTask[],
  compiled: string | undefined,
  disk: Disk,
): ProjectFacts => {
  const output = resolve(root, settings.output)
  return {
    esm: isEsm(output, disk),
    javascript: tasks.map(({ file }) => file).find((file) => /\.[cm]?jsx?$/.test(file)),
    includesOutput: isIncluded(root, join(output, 'registry.ts')),
    hasMetadata: settings.loader !== undefined || settings.registry !== undefined || compiled !== undefined,
    output: relative(root, output).replaceAll('\\', '/'),
    aliasesIn: aliasesIn(root, disk),
  }
}

/** As the compiler decides: by the nearest package.json. */
const isEsm = (folder: string, disk: Disk): boolean => {
  const text = disk.readFile(join(folder, 'package.json'))
  if (text !== undefined) return ts.parseConfigFileTextToJson('package.json', text).config?.type === 'module'
  return dirname(folder) !== folder && isEsm(dirname(folder), disk)
}

const isIncluded = (root: string, file: string): boolean => {
  const path = join(root, FILE)
  const config = parsedConfig(path)
  return config === undefined || createFilesMatcher({ path, config })(file) !== undefined
}

/** The file with path aliases that a tsconfig.json which is a list of others leads to, as that of a Vite project. */
const aliasesIn = (root: string, disk: Disk): string | undefined => {
  const config = parsedConfig(join(root, FILE))
  if (
    config?.files?.length !== 0 ||
    config.include !== undefined ||
    config.compilerOptions?.paths !== undefined
  )
    return undefined
  return config.references
    ?.map(({ path }) => (path.endsWith('.json') ? path : `${path}/${FILE}`))
    .filter((path) => disk.readFile(join(root, path)) !== undefined)
    .find((path) => parsedConfig(join(root, path))?.compilerOptions?.paths !== undefined)
    ?.replace(/^\.\//, '')
}

/** Nothing where it extends a file that is not installed: the compiler says so. */
const parsedConfig = (file: string): TsConfigJsonResolved | undefined => {
  try {
    return parseTsconfig(file)
  } catch {
    return undefined
  }
}

const keyIn = (object: ts.Node | undefined, key: string): ts.PropertyAssignment | undefined =>
  object !== undefined && ts.isObjectLiteralExpression(object)
    ? object.properties
        .filter(ts.isPropertyAssignment)
        .find(({ name }) => ts.isStringLiteral(name) && name.text === key)
    : undefined

/** At the option where it stands in this file; what it extends has no line here. */
const problemOf = ({ option, code, message, cure }: SettingFault, text: string): Problem => {
  const file = ts.parseJsonText(FILE, text)
  const name = keyIn(keyIn(file.statements[0]?.expression, 'compilerOptions')?.initializer, option)?.name
  const found = name ?? keyIn(file.statements[0]?.expression, option)?.name
  const place = placeAt(text, FILE, found?.getStart(file) ?? 0, found?.getWidth(file) ?? 1)
  return problem(place, code, message, cure)
}
