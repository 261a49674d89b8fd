/** Gives each definition its name, or says why it can have none. */
import { basename } from 'node:path'
import { spot } from '../src/model/place.ts'
import type { TaskOptions } from '../src/model/task.ts'
import type { Definition } from './definitions.ts'
import type { Enclosure } from './enclosure.ts'
import { isIdentifier, isReserved, suggestion } from './names.ts'
import type { Fault } from './options.ts'
import { type ProblemCode, placeOf } from './problem.ts'

/** A definition with its options read. */
export interface Candidate {
  readonly definition: Definition
  readonly options: TaskOptions
  readonly faults: readonly Fault[]
}

/** A candidate that has a name of its own. */
export interface Named {
  readonly name: string
  readonly exportName: string
  readonly candidate: Candidate
}

type FromRoot = (path: string) => string

/** @returns the candidates that have a name, and what is wrong with the others and among them. */
export const nameCandidates = (
  candidates: readonly Candidate[],
  fromRoot: FromRoot,
): { named: Named[]; faults: Fault[] } => {
  const named: Named[] = []
  const faults: Fault[] = []
  for (const candidate of candidates) {
    const result = nameOf(candidate)
    if (result === undefined) continue
    if ('message' in result) faults.push(result)
    else named.push(result)
  }
  return { named, faults: [...faults, ...duplicates(named, fromRoot)] }
}

/** Nothing where the name that it was given is what is wrong, which has been said. */
const nameOf = (candidate: Candidate): Named | Fault | undefined => {
  const { definition } = candidate
  const { node, inside } = definition
  const [exportName] = definition.exports
  const given = typeof candidate.options.name === 'string' ? candidate.options.name : undefined
  if (inside !== undefined) return enclosed(definition, inside)
  if (exportName === undefined) return notExported(definition)
  const name = given ?? exportName
  if (given === undefined && exportName === 'default')
    return candidate.faults.length > 0 ? undefined : unnamedDefault(definition)
  if (isReserved(name))
    return badName(
      node,
      'reserved-name',
      `'${name}' cannot be the name of a task: it has a meaning of its own on every object.`,
      name,
    )
  if (given === undefined && !isIdentifier(name))
    return badName(node, 'invalid-name', `'${name}' cannot be the name of a task: it is no identifier.`, name)
  return { name, exportName, candidate }
}

const fault = (node: Fault['node'], code: ProblemCode, message: string, cure: string): Fault => ({
  node,
  code,
  message,
  cure,
})

const LEAVE_OUT = 'A file that is no part of the application can be left out by `include`.'

const enclosed = ({ node, local }: Definition, { code, what }: Enclosure): Fault => {
  const name = local ?? 'sendEmail'
  const message = `${local === undefined ? 'A task' : `The task '${local}'`} is defined inside ${what}, and is not found.`
  return code === 'wrapped'
    ? fault(
        node,
        code,
        message,
        `Call \`task\` at the top level of a module, on what the function makes: \`export const ${name} = task(wrap(…))\`. ${LEAVE_OUT}`,
      )
    : fault(
        node,
        code,
        message,
        `Write \`export const ${name} = task(…)\` at the top level of the module, and use it there by its name. ${LEAVE_OUT}`,
      )
}

const notExported = ({ node, local }: Definition): Fault =>
  local === undefined
    ? fault(
        node,
        'unbound',
        'A task is not exported: it is bound to no name.',
        'Write `export const sendEmail = task(…)`, with a name of its own.',
      )
    : fault(
        node,
        'not-exported',
        `The task '${local}' is not exported.`,
        `Write \`export const ${local} = task(…)\`: workers import it by that name.`,
      )

const unnamedDefault = ({ node, local }: Definition): Fault =>
  fault(
    node,
    'default-without-name',
    'A default export has no name of its own, and the task is given none.',
    `Write \`task({ name: '${local ?? 'sendEmail'}' }, …)\`, or export it by name.`,
  )

const badName = (node: Fault['node'], code: ProblemCode, message: string, name: string): Fault =>
  fault(node, code, message, `Give it another: \`task({ name: '${suggestion(name)}' }, …)\`.`)

/** @returns what is wrong with the files of tasks: the generated files must be able to name each, and no other, in an import. */
export const unimportable = (named: readonly Named[], tsExtensions: boolean): Fault[] => {
  const bySpecifier = new Map<string, string>()
  return named.flatMap(({ candidate: { definition } }) => {
    const path = definition.call.getSourceFile().getFilePath()
    const specifier = tsExtensions ? path : path.replace(/\.([mc]?)[jt]sx?$/, '.$1js')
    const other = bySpecifier.get(specifier) ?? path
    bySpecifier.set(specifier, other)
    const cure = 'Rename the file.'
    if (/[#?%]/.test(basename(path)))
      return fault(
        definition.node,
        'file-name',
        'No import leads to a file with #, ? or % in its name.',
        cure,
      )
    if (other === path) return []
    const message = `An import of this file and of ${basename(other)} is the same.`
    return fault(definition.node, 'file-name', message, cure)
  })
}

/** Names and aliases share one space, as a queued job carries either. */
const duplicates = (named: readonly Named[], fromRoot: FromRoot): Fault[] => {
  const taken = new Map<string, Named>()
  const faults: Fault[] = []
  const claim = (word: string, owner: Named, what: 'name' | 'alias'): void => {
    const other = taken.get(word)
    if (other === undefined) taken.set(word, owner)
    else if (other !== owner) faults.push(duplicate(word, owner, other, what, fromRoot))
  }
  for (const one of named) claim(one.name, one, 'name')
  for (const one of named) for (const alias of one.candidate.options.aliases ?? []) claim(alias, one, 'alias')
  return faults
}

const duplicate = (
  word: string,
  owner: Named,
  other: Named,
  what: 'name' | 'alias',
  fromRoot: FromRoot,
): Fault => {
  const { node } = owner.candidate.definition
  const first = spot(placeOf(other.candidate.definition.node, fromRoot))
  const cure =
    what === 'name'
      ? `Give one of them another name: \`task({ name: '${suggestion(word)}' }, …)\`.`
      : `Remove it from the aliases of one of them.`
  const message =
    what === 'name'
      ? `Two tasks are named '${word}': this one and the one at ${first}.`
      : `The alias '${word}' of the task '${owner.name}' belongs to the task '${other.name}' at ${first}.`
  return { node, code: `duplicate-${what}`, message, cure }
}
