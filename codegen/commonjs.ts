/** What a module exports the CommonJS way: `exports.a = …`, `module.exports = { … }`, and TypeScript's `export = …`. */
import { type Expression, Node, type SourceFile, SyntaxKind } from 'ts-morph'

/** One export. */
export interface Assigned {
  /** `default` for the module as a whole; nothing where all that the value holds is exported, as by `...require('./b')`. */
  readonly name: string | undefined
  /** An expression, or the name that `{ a }` lists. */
  readonly value: Node
}

const NAMES_EXPORTS = /\bexports\b|\bexport\s*=/

/** @returns the exports of a module that are assignments, in their order. */
export const assignedExports = (file: SourceFile): Assigned[] => {
  // Most files have none, and asking each statement is work.
  if (!NAMES_EXPORTS.test(file.getFullText())) return []
  return file.getStatements().flatMap((statement) => {
    if (Node.isExportAssignment(statement) && statement.isExportEquals())
      return whole(statement.getExpression())
    return Node.isExpressionStatement(statement) ? assigned(statement.getExpression()) : []
  })
}

/** `module.exports = exports = { … }` is one value with two targets. */
const assigned = (expression: Expression): Assigned[] => {
  if (!Node.isBinaryExpression(expression)) return []
  if (expression.getOperatorToken().getKind() !== SyntaxKind.EqualsToken) return []
  const target = expression.getLeft()
  const value = lastOf(expression.getRight())
  if (isModuleExports(target)) return whole(value)
  const named = Node.isPropertyAccessExpression(target) && isExports(target.getExpression())
  return named ? [{ name: target.getName(), value }] : assigned(expression.getRight())
}

const lastOf = (expression: Expression): Expression =>
  Node.isBinaryExpression(expression) && expression.getOperatorToken().getKind() === SyntaxKind.EqualsToken
    ? lastOf(expression.getRight())
    : expression

const isModuleExports = (node: Node): boolean => node.getText() === 'module.exports'

const isExports = (node: Node): boolean => node.getText() === 'exports' || isModuleExports(node)

const whole = (value: Expression): Assigned[] => {
  const all = { name: undefined, value }
  if (!Node.isObjectLiteralExpression(value)) return [{ name: 'default', value }, all]
  return value.getProperties().flatMap((property): Assigned[] => {
    if (Node.isPropertyAssignment(property))
      return [{ name: property.getName(), value: property.getInitializerOrThrow() }]
    if (Node.isShorthandPropertyAssignment(property)) return [{ name: property.getName(), value: property }]
    return Node.isSpreadAssignment(property) ? [{ name: undefined, value: property.getExpression() }] : []
  })
}
