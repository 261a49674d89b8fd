/** Brings the user's code into a worker: the loader, the registry, onLoad, then the modules of the tasks. */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GenerateError } from '../model/errors.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import { isTypeScript } from '../registry-file.ts'
import type { Loading } from '../wire/ipc.ts'
import { callAll } from './callables.ts'
import { type Registry, resolvedTask, resolveTask } from './registry.ts'

let tsx: Promise<void> | undefined

/** tsx costs 80 ms and 16 to 30 MB: only where the tasks are TypeScript. */
export const installTsx = (): Promise<void> => {
  tsx ??= Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]).then((apis) => {
    for (const api of apis) api.register()
  })
  return tsx
}

/**
 * Starts the esbuild that tsx compiles with: 100 to 200 ms, in which this process stands still. Else it starts with the first
 * module that is not in tsx's cache, the one that was just saved.
 */
export const startCompiler = (): void => {
  const require = createRequire(import.meta.url)
  const { transformSync } = createRequire(require.resolve('tsx'))('esbuild') as typeof import('esbuild')
  transformSync('')
}

const installLoader = async ({ loader, registry }: Loading, root: string): Promise<void> => {
  if (loader !== undefined) {
    const require = createRequire(join(root, 'package.json'))
    await import(pathToFileURL(require.resolve(loader)).href)
  } else if (isTypeScript(registry)) await installTsx()
}

/**
 * @returns the project's registry, its code ready to be loaded, onLoad done
 * @throws GenerateError where the module is no registry, and whatever user code throws
 */
export const loadProject = async (loading: Loading, root: string): Promise<Registry> => {
  await installLoader(loading, root)
  const module: { default?: Registry | { default?: Registry } } = await import(
    pathToFileURL(loading.registry).href
  )
  // Compiled to CommonJS, the default export of an imported module is one level deeper.
  const found =
    module.default !== undefined && 'default' in module.default ? module.default.default : module.default
  const registry = found as Registry | undefined
  if (registry?.tasks === undefined)
    throw new GenerateError(`${loading.registry} is no registry. Run ztask generate again.`, {
      file: loading.registry,
    })
  await callAll(loading.onLoad, root)
  return registry
}

/**
 * Imports the modules of all tasks, so that each worker of a generation has the code of one moment.
 *
 * @throws what the first of them throws that does not load
 */
export const loadTasks = async (registry: Registry): Promise<void> => {
  await Promise.all(Object.keys(registry.tasks).map((task) => resolveTask(registry, task)))
}

/**
 * The same one after the other, while jobs may run already: what does not load is told, and fails its own jobs alone.
 *
 * @param skip tasks that are loaded only when a job needs them
 * @param told before each what comes: should it end this process, it is known by that; none when all have been
 */
export const loadInTurn = async (
  registry: Registry,
  skip: readonly string[],
  told: (task: string | undefined) => void,
  faulty: (task: string, error: unknown) => void,
): Promise<void> => {
  for (const task of Object.keys(registry.tasks)) {
    if (skip.includes(task) || resolvedTask(registry, task) !== undefined) continue
    told(task)
    await resolveTask(registry, task).catch((error: unknown) => faulty(task, error))
  }
  told(undefined)
}

/** @returns what the master needs to know of the registry */
export const specsOf = (registry: Registry): readonly TaskSpec[] =>
  Object.entries(registry.tasks).map(([name, { aliases = [], options = {} }]) => ({ name, aliases, options }))
