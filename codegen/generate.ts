/** `ztask generate`: the project's sources to its client and its registry. */
import { join, relative, resolve } from 'node:path'
import type { Project } from '../src/config.ts'
import { CLIENT_SETTINGS, type ClientSettings, defaultOf, type Settings } from '../src/settings.ts'
import { emitClient } from './emit-client.ts'
import { emitRegistry } from './emit-registry.ts'
import type { Manifest } from './manifest.ts'
import { diffOf, isStale, type Output, write } from './output.ts'
import { generateError, type Problem } from './problem.ts'
import { Scanner } from './scanner.ts'

/** A file that is not as it should be. */
export interface Stale {
  /** Relative to the project's folder. */
  readonly file: string
  /** From what it is to what it should be, in the unified format. */
  readonly diff: string
}

export interface Generated {
  /** The names of all tasks, sorted. */
  readonly tasks: string[]
  /** The files that were written, relative to the project's folder. */
  readonly written: string[]
  /** The files that are missing or differ from what would be written; only when checking. */
  readonly stale: Stale[]
  /** What was found and is no error, sorted by place. */
  readonly warnings: readonly Problem[]
}

/**
 * Scans a project and writes its client and its registry where they changed.
 *
 * @param mode `check` leaves the files as they are and tells what is stale
 * @param scanner the one of an earlier run in this process, which knows what has not changed
 * @throws GenerateError where the sources cannot be generated from: all problems at once, in `data.problems` too
 * @throws ConfigError where the project's tsconfig.json cannot be read
 *
 * @example
 * const { tasks } = await generate(await loadProject(process.cwd(), process.env), 'write')
 */
export const generate = async (
  project: Project,
  mode: 'write' | 'check',
  scanner = new Scanner(project),
): Promise<Generated> => {
  const { tasks, problems, tsExtensions } = await scanner.scan()
  if (problems.some(({ severity }) => severity === 'error')) throw generateError(problems)
  const changed = outputs(project, { ...frame(project), tasks, tsExtensions }).filter(isStale)
  if (mode === 'write') for (const output of changed) write(output)
  const fromRoot = ({ path }: Output): string => relative(project.root, path)
  return {
    tasks: tasks.map(({ name }) => name),
    written: mode === 'write' ? changed.map(fromRoot) : [],
    stale:
      mode === 'check' ? await Promise.all(changed.map((output) => staleOf(output, fromRoot(output)))) : [],
    warnings: problems,
  }
}

const staleOf = async (output: Output, file: string): Promise<Stale> => ({
  file,
  diff: await diffOf(output, file),
})

const frame = ({ root, settings }: Project): Omit<Manifest, 'tasks' | 'tsExtensions'> => ({
  root,
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
