/** The text of registry.ts: each task's options as data, and a lazy import of its code. */
import { hash } from 'node:crypto'
import { data, HEADER, listed, members, quoted, specifier } from './layout.ts'
import type { Manifest, ManifestTask } from './manifest.ts'

/** @returns the text of registry.ts. */
export const emitRegistry = (manifest: Manifest): string =>
  [
    HEADER,
    "import { defineRegistry, type Registry } from 'ztask'",
    '',
    'const registry: Registry = defineRegistry({',
    `  project: ${data(manifest.project)},`,
    `  hash: '${hashOf(manifest)}',`,
    ...tasks(manifest),
    '})',
    '',
    'export default registry',
    '',
  ].join('\n')

/**
 * Tells this registry from an older one, a compiled one say. Of the facts alone, not of the tasks' code: the file is
 * committed, and a change of a task's body must not change it.
 */
const hashOf = ({ project, tasks }: Manifest): string => {
  const facts = tasks.map((task) => [
    task.name,
    task.aliases,
    task.options,
    task.specifier ?? task.file,
    task.export,
  ])
  return hash('sha256', JSON.stringify([project, facts])).slice(0, HASH_LENGTH)
}

/** 48 bits: two versions of one project will not meet. */
const HASH_LENGTH = 12

const tasks = (manifest: Manifest): string[] =>
  manifest.tasks.length === 0
    ? ['  tasks: {},']
    : ['  tasks: {', ...manifest.tasks.map((task) => entry(manifest, task)), '  },']

const entry = (manifest: Manifest, task: ManifestTask): string => {
  const options = members(task.options)
  const fields = [
    `load: () => import(${quoted(specifier(manifest, task.file))})`,
    `export: ${quoted(task.export)}`,
    ...(task.aliases.length === 0 ? [] : [`aliases: ${data(task.aliases)}`]),
    ...(options.length === 0 ? [] : [`options: { ${options.join(', ')} }`]),
  ]
  return listed('    ', `${task.name}: `, ['{', '}'], fields, ',')
}
