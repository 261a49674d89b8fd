/** `ztask generate`: the project's sources to its client and its registry. */
import { join, relative, resolve } from 'node:path'
import type { Project } from '../src/config.ts'
import { CLIENT_SETTINGS, type ClientSettings, defaultOf, type Settings } from '../src/settings.ts'
import { emitClient } from './emit-client.ts'
import { emitRegistry } from './emit-registry.ts'
import type { Manifest } from './manifest.ts'
import { isStale, type Output, write } from './output.ts'
import { generateError } from './problem.ts'
import type { Scan } from './scan.ts'
import { namesZtask, readSources } from './sources.ts'

export interface Generated {
  /** The names of all tasks, sorted. */
  readonly tasks: string[]
  /** The files that were written, relative to the project's folder. */
  readonly written: string[]
  /** The files that are missing or differ from what would be written; only when checking. */
  readonly stale: string[]
}

/**
 * Scans a project and writes its client and its registry where they changed.
 *
 * @param mode `check` writes nothing and tells what is stale
 * @throws GenerateError where the sources cannot be generated from: all problems at once, in `data.problems` too
 * @throws ConfigError where the project's tsconfig.json cannot be read
 *
 * @example
 * const { tasks } = await generate(await loadProject(process.cwd(), process.env), 'write')
 */
export const generate = async (project: Project, mode: 'write' | 'check'): Promise<Generated> => {
  const { tasks, problems, tsExtensions } = await scanProject(project)
  if (problems.length > 0) throw generateError(problems)
  const stale = outputs(project, { ...frame(project), tasks, tsExtensions }).filter(isStale)
  if (mode === 'write') for (const output of stale) write(output)
  const changed = stale.map(({ path }) => relative(project.root, path))
  return {
    tasks: tasks.map(({ name }) => name),
    written: mode === 'write' ? changed : [],
    stale: mode === 'check' ? changed : [],
  }
}

const scanProject = async (project: Project): Promise<Scan> => {
  const sources = readSources(project)
  if (!sources.some(namesZtask)) return { tasks: [], problems: [], tsExtensions: false }
  // The parser costs 350 ms to load.
  const { scan } = await import('./scan.ts')
  return scan(project.root, sources)
}

const frame = ({ root, settings }: Project): Omit<Manifest, 'tasks' | 'tsExtensions'> => ({
  project: settings.project,
  url: settings.url,
  settings: clientSettings(settings),
  output: relative(root, resolve(root, settings.output)).replaceAll('\\', '/'),
})

const clientSettings = (settings: Settings): Partial<ClientSettings> =>
  Object.fromEntries(
    CLIENT_SETTINGS.filter((key) => key !== 'project' && key !== 'url')
      .filter((key) => settings[key] !== defaultOf(key))
      .map((key) => [key, settings[key]]),
  )

const outputs = ({ root }: Project, manifest: Manifest): Output[] => {
  const folder = resolve(root, manifest.output)
  return [
    { path: join(folder, 'client.ts'), text: emitClient(manifest) },
    { path: join(folder, 'registry.ts'), text: emitRegistry(manifest) },
  ]
}
