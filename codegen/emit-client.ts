/** The text of client.ts: types that reach the tasks themselves, and not one line of their code. */
import { data, HEADER, listed, members, modulesOf, quoted, specifier, WIDTH } from './layout.ts'
import type { Manifest, ManifestTask } from './manifest.ts'
import { isIdentifier } from './names.ts'

/**
 * @returns the text of client.ts.
 *
 * Tasks are mapped over a `Pick` of their module: so an editor shows their documentation, finds their definition and
 * renames them, and 1,000 of them that are not used cost the type checker next to nothing.
 */
export const emitClient = (manifest: Manifest): string =>
  [
    HEADER,
    ...imports(manifest),
    '',
    ...tasksType(manifest),
    '',
    client(manifest),
    ...exports(manifest),
    '',
  ].join('\n')

const imports = (manifest: Manifest): string[] => {
  const { tasks } = manifest
  const types = [...(tasks.some(isMapped) ? ['Calls'] : []), ...(tasks.every(isMapped) ? [] : ['CallsOf'])]
  return [
    "import { makeClient } from 'ztask'",
    ...(types.length === 0 ? [] : [`import type { ${types.join(', ')} } from 'ztask'`]),
    ...modulesOf(manifest).map(
      (file, i) => `import type * as m${i} from ${quoted(specifier(manifest, file))}`,
    ),
  ]
}

/** Whether the task stands in the client under the name that its module exports it by. */
const isMapped = (task: ManifestTask): boolean => task.name === task.export

const tasksType = (manifest: Manifest): string[] => {
  const modules = modulesOf(manifest).map((file, i) => mapped(manifest, file, i))
  const interfaces = [...documented(manifest), ...renamed(manifest)]
  const parts = [...modules.flatMap(({ part }) => part), ...interfaces.map(({ part }) => part)]
  return [
    ...modules.flatMap(({ names }) => names),
    ...interfaces.flatMap(({ lines }) => lines),
    '/** The tasks of the project. */',
    ...joined(parts.length === 0 ? ['Readonly<Record<never, never>>'] : parts),
  ]
}

const joined = (parts: readonly string[]): string[] => {
  const line = `export type Tasks = ${parts.join(' & ')}`
  return [line.length <= WIDTH ? line : `export type Tasks = ${parts.join(' &\n  ')}`]
}

/** The part of one module; many names stand in a type of their own, one a line, so that a new task is one new line. */
const mapped = (manifest: Manifest, file: string, i: number): { names: string[]; part: string[] } => {
  const names = manifest.tasks
    .filter((task) => task.file === file && isMapped(task))
    .map(({ name }) => quoted(name))
  if (names.length === 0) return { names: [], part: [] }
  const part = `Calls<Pick<typeof m${i}, ${names.join(' | ')}>>`
  if (`export type Tasks = ${part} &`.length <= WIDTH) return { names: [], part: [part] }
  const lines = names.map((name) => `  | ${name}`)
  return { names: [`type In${i} =`, ...lines, ''], part: [`Calls<Pick<typeof m${i}, In${i}>>`] }
}

interface Interface {
  readonly part: string
  readonly lines: readonly string[]
}

/** An editor looks for a comment at the export, and `export { a }` has none: it is copied, and adds nothing to the type. */
const documented = ({ tasks }: Manifest): Interface[] =>
  written(
    'Documented',
    tasks.filter((task) => isMapped(task) && task.comment !== undefined),
    () => 'unknown',
  )

/** A mapped key that is renamed loses its comment and its definition, so these are written out. */
const renamed = (manifest: Manifest): Interface[] => {
  const modules = modulesOf(manifest)
  return written(
    'Renamed',
    manifest.tasks.filter((task) => !isMapped(task)),
    (task) => `CallsOf<${memberOf(`m${modules.indexOf(task.file)}`, task.export)}>`,
  )
}

const written = (
  part: string,
  tasks: readonly ManifestTask[],
  typeOf: (task: ManifestTask) => string,
): Interface[] => {
  const properties = tasks.flatMap((task) => [
    ...(task.comment === undefined ? [] : indented(task.comment)),
    `  readonly ${task.name}: ${typeOf(task)}`,
  ])
  return tasks.length === 0 ? [] : [{ part, lines: [`interface ${part} {`, ...properties, '}', ''] }]
}

/** `export { x as 'send-email' }` is legal, and no name to stand after a dot. */
const memberOf = (module: string, name: string): string =>
  isIdentifier(name) ? `typeof ${module}.${name}` : `(typeof ${module})[${quoted(name)}]`

const indented = (comment: string): string[] =>
  comment.split(/\r?\n/).map((line, i) => (i === 0 ? `  ${line.trim()}` : `   ${line.trim()}`))

const client = ({ project, url, settings, tasks }: Manifest): string => {
  const names = listed(
    '  ',
    'tasks: ',
    ['[', ']'],
    tasks.map(({ name }) => quoted(name)),
    '',
  ).trimStart()
  const fields = [
    `project: ${data(project)}`,
    `url: ${data(url)}`,
    ...(members(settings).length === 0 ? [] : [`settings: ${data(settings)}`]),
    names,
    'load: (specifier) => import(/* webpackIgnore: true */ /* @vite-ignore */ specifier)',
  ]
  return [
    '/** Enqueues the tasks of the project. */',
    'export const tasks: Tasks = makeClient({',
    ...fields.map((field) => `  ${field},`),
    '})',
  ].join('\n')
}

/** With the modules exported, a rename of a task at its definition reaches its calls. */
const exports = (manifest: Manifest): string[] => {
  const names = modulesOf(manifest).map((_, i) => `m${i}`)
  return names.length === 0 ? [] : ['', listed('', 'export type ', ['{', '}'], names, '')]
}
