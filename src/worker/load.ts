/** Brings the user's code into a worker: the loader, the registry, then onLoad. */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { GenerateError } from '../model/errors.ts'
import type { TaskSpec } from '../model/task-spec.ts'
import type { WorkerBrief } from '../wire/ipc.ts'
import { callAll } from './callables.ts'
import type { Registry } from './registry.ts'

/** tsx costs 80 ms and 16 to 30 MB: only where the tasks are TypeScript. */
const installLoader = async ({ loader, registry, root }: WorkerBrief): Promise<void> => {
  if (loader !== undefined) {
    const require = createRequire(join(root, 'package.json'))
    await import(pathToFileURL(require.resolve(loader)).href)
  } else if (/\.[cm]?tsx?$/.test(registry)) {
    const [esm, cjs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')])
    esm.register()
    cjs.register()
  }
}

/**
 * @returns the project's registry, its code ready to be loaded, onLoad done
 * @throws GenerateError where the module is no registry, and whatever user code throws
 */
export const loadProject = async (brief: WorkerBrief): Promise<Registry> => {
  await installLoader(brief)
  const module: { default?: Registry | { default?: Registry } } = await import(
    pathToFileURL(brief.registry).href
  )
  // Compiled to CommonJS, the default export of an imported module is one level deeper.
  const found =
    module.default !== undefined && 'default' in module.default ? module.default.default : module.default
  const registry = found as Registry | undefined
  if (registry?.tasks === undefined)
    throw new GenerateError(`${brief.registry} is no registry. Run ztask generate again.`, {
      file: brief.registry,
    })
  await callAll(brief.onLoad, brief.root)
  return registry
}

/** @returns what the master needs to know of the registry */
export const specsOf = (registry: Registry): readonly TaskSpec[] =>
  Object.entries(registry.tasks).map(([name, { aliases = [], options = {} }]) => ({ name, aliases, options }))
