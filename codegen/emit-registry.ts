/** The text of registry.ts: each task's options as data, and a lazy import of its code. */
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
    ...tasks(manifest),
    '})',
    '',
    'export default registry',
    '',
  ].join('\n')

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
