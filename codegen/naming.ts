/** Gives each definition its name, or says why it can have none. */
import type { TaskOptions } from '../src/model/task.ts'
import type { Definition } from './definitions.ts'
import { isIdentifier, isReserved, suggestion } from './names.ts'
import type { Fault } from './options.ts'
import { placeOf, spot } from './problem.ts'

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
  const { node, local, inside } = definition
  const [exportName] = definition.exports
  const given = typeof candidate.options.name === 'string' ? candidate.options.name : undefined
  if (inside !== undefined) return fault(node, `${called(local)} is defined inside ${inside}.`, MOVE)
  if (exportName === undefined) return notExported(definition)
  const name = given ?? exportName
  if (given === undefined && exportName === 'default')
    return candidate.faults.length > 0 ? undefined : unnamedDefault(definition)
  if (isReserved(name))
    return badName(
      node,
      `'${name}' cannot be the name of a task: it has a meaning of its own on every object.`,
      name,
    )
  if (given === undefined && !isIdentifier(name))
    return badName(node, `'${name}' cannot be the name of a task: it is no identifier.`, name)
  return { name, exportName, candidate }
}

const MOVE =
  'Move it to the top level of the module and export it; a file that is no part of the application can be left out by `include`.'

const fault = (node: Fault['node'], message: string, cure: string): Fault => ({ node, message, cure })

const called = (local: string | undefined): string => (local === undefined ? 'A task' : `The task '${local}'`)

const notExported = ({ node, local }: Definition): Fault =>
  local === undefined
    ? fault(
        node,
        'A task is not exported: it is bound to no name.',
        'Write `export const sendEmail = task(…)`, with a name of its own.',
      )
    : fault(
        node,
        `The task '${local}' is not exported.`,
        `Write \`export const ${local} = task(…)\`: workers import it by that name.`,
      )

const unnamedDefault = ({ node, local }: Definition): Fault =>
  fault(
    node,
    'A default export has no name of its own, and the task is given none.',
    `Write \`task({ name: '${local ?? 'sendEmail'}' }, …)\`, or export it by name.`,
  )

const badName = (node: Fault['node'], message: string, name: string): Fault =>
  fault(node, message, `Give it another: \`task({ name: '${suggestion(name)}' }, …)\`.`)

/** Names and aliases share one space, as a queued job carries either. */
const duplicates = (named: readonly Named[], fromRoot: FromRoot): Fault[] => {
  const taken = new Map<string, Named>()
  const faults: Fault[] = []
  const claim = (word: string, owner: Named, what: string): void => {
    const other = taken.get(word)
    if (other === undefined) taken.set(word, owner)
    else if (other !== owner) faults.push(duplicate(word, owner, other, what, fromRoot))
  }
  for (const one of named) claim(one.name, one, 'name')
  for (const one of named) for (const alias of one.candidate.options.aliases ?? []) claim(alias, one, 'alias')
  return faults
}

const duplicate = (word: string, owner: Named, other: Named, what: string, fromRoot: FromRoot): Fault => {
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
  return { node, message, cure }
}
