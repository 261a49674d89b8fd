/** Reads the options of a task, and says what is wrong with them. */
import { type CallExpression, type Expression, Node } from 'ts-morph'
import type { TaskOptions } from '../src/model/task.ts'
import { isOption, optionFault } from '../src/model/task-options.ts'
import { type Property, propertiesOf } from './data.ts'
import { type Origins, unwrapped } from './origins.ts'
import type { ProblemCode } from './problem.ts'

/** A fault at a node, before its place is looked up. */
export interface Fault {
  readonly node: Node
  readonly code: ProblemCode
  readonly message: string
  readonly cure: string
}

export interface ReadOptions {
  readonly options: TaskOptions
  readonly faults: readonly Fault[]
}

const DATA_CURE =
  'Options are read without running the code: write a literal, or a constant that holds one (export it where it is imported).'

/** @returns the options of a call of `task()`, as data, with all that is wrong with them. */
export const optionsOf = (call: CallExpression, origins: Origins): ReadOptions => {
  const spread = call.getArguments().find((argument) => Node.isSpreadElement(argument))
  if (spread !== undefined) return { options: {}, faults: [notData(spread, spread, 'options')] }
  const [first, second] = call.getArguments()
  if (second === undefined || first === undefined) return { options: {}, faults: [] }
  const properties = optionProperties(first as Expression, origins)
  if (properties === undefined) return { options: {}, faults: [notData(first, first, 'options')] }
  const faults = properties.flatMap(faultsOf)
  const values = properties.map(({ name, data }) => [name, 'value' in data ? data.value : undefined])
  return { options: Object.fromEntries(values.filter(([, value]) => value !== undefined)), faults }
}

/** Faults stand at the call's own text where it holds the literal; at the name of the constant where it does not. */
const optionProperties = (argument: Expression, origins: Origins): Property[] | undefined => {
  const own = unwrapped(argument)
  if (Node.isObjectLiteralExpression(own)) return propertiesOf(own, origins)
  const origin = origins.of(own)
  const constant = origin?.kind === 'expression' ? origin.expression : undefined
  if (!Node.isObjectLiteralExpression(constant)) return undefined
  return propertiesOf(constant, origins).map((property) => ({ ...property, key: argument, node: argument }))
}

const faultsOf = ({ name, key, node, data }: Property): Fault[] => {
  if ('notData' in data) return [notData(node, data.notData, `option '${name}'`)]
  const fault = optionFault(name, data.value)
  if (fault === undefined) return []
  return [
    isOption(name)
      ? { node, code: 'wrong-option', ...fault }
      : { node: key, code: 'unknown-option', ...fault },
  ]
}

const notData = (node: Node, part: Node, what: string): Fault => {
  const text = part.getText().replace(/\s+/g, ' ')
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text
  const message = `The ${what} cannot be read: \`${shown}\` is no data.`
  return { node, code: 'option-not-data', message, cure: DATA_CURE }
}
