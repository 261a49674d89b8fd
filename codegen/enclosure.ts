/** What hides a task from its module's exports. Tasks are found by their definitions: no value is followed at run time. */
import { type CallExpression, Node } from 'ts-morph'

/** A place in which a task cannot be reached. */
export interface Enclosure {
  readonly code: 'wrapped' | 'nested'
  /** As in "a function". */
  readonly what: string
}

/** @returns what stands between a call and the top level of its module. */
export const enclosureOf = (call: CallExpression): Enclosure | undefined => {
  const around = call.getFirstAncestor(
    (node) =>
      isFunction(node) ||
      Node.isClassDeclaration(node) ||
      Node.isClassExpression(node) ||
      Node.isModuleBlock(node) ||
      (Node.isBlock(node) && !isFunction(node.getParent())),
  )
  if (around === undefined) return undefined
  if (isFunction(around)) return { code: 'wrapped', what: 'a function' }
  if (Node.isModuleBlock(around)) return { code: 'nested', what: 'a namespace' }
  return { code: 'nested', what: Node.isBlock(around) ? 'a block' : 'a class' }
}

const isFunction = (node: Node | undefined): boolean =>
  Node.isFunctionLikeDeclaration(node) || Node.isArrowFunction(node) || Node.isFunctionExpression(node)

/** @returns what an expression is a part of, where it is the value of no constant and no statement of its own. */
export const partOf = (parent: Node | undefined): Enclosure | undefined => {
  if (Node.isExpressionStatement(parent) || Node.isExportAssignment(parent)) return undefined
  if (Node.isPropertyAssignment(parent)) return { code: 'nested', what: 'an object literal' }
  if (Node.isArrayLiteralExpression(parent)) return { code: 'nested', what: 'a list' }
  const isArgument = Node.isCallExpression(parent) || Node.isNewExpression(parent)
  return { code: 'nested', what: isArgument ? 'the arguments of a call' : 'an expression' }
}
