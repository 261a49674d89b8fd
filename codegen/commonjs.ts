/** What a module exports the CommonJS way: `exports.a = …`, `module.exports = { … }`, and TypeScript's `export = …`. */
import { type Expression, Node, type SourceFile, SyntaxKind } from 'ts-morph'
import { memberOf, nameText } from './member.ts'

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
    if (Node.isExpressionStatement(statement)) return assigned(statement.getExpression())
    // `const a = exports.a = …`, so that the module can use it too.
    if (!Node.isVariableStatement(statement)) return []
    return statement.getDeclarations().flatMap((one) => assigned(one.getInitializer()))
  })
}

/** @returns the value of `module.exports = value` where that is no object literal. */
export const wholeExport = (file: SourceFile): Expression | undefined => {
  const all = assignedExports(file)
  const value = all.findLast(({ name }) => name === undefined)?.value
  return Node.isExpression(value) && all.some((one) => one.name === 'default' && one.value === value)
    ? value
    : undefined
}

/** `module.exports = exports = { … }` is one value with two targets. */
const assigned = (expression: Expression | undefined): Assigned[] => {
  if (!Node.isBinaryExpression(expression)) return []
  if (expression.getOperatorToken().getKind() !== SyntaxKind.EqualsToken) return []
  const target = expression.getLeft()
  const value = assignedValue(expression)
  if (isModuleExports(target)) return whole(value)
  const member = memberOf(target)
  const named = member !== undefined && isExports(member.holder)
  return named ? [{ name: member.name, value }] : assigned(expression.getRight())
}

/** @returns what `a = b = value` assigns; any other expression as it is. */
export const assignedValue = (expression: Expression): Expression =>
  Node.isBinaryExpression(expression) && expression.getOperatorToken().getKind() === SyntaxKind.EqualsToken
    ? assignedValue(expression.getRight())
    : expression

const isModuleExports = (node: Node): boolean => node.getText() === 'module.exports'

const isExports = (node: Node): boolean => node.getText() === 'exports' || isModuleExports(node)

const whole = (value: Expression): Assigned[] => {
  const all = { name: undefined, value }
  if (!Node.isObjectLiteralExpression(value)) return [{ name: 'default', value }, all]
  return value.getProperties().flatMap((property): Assigned[] => {
    if (Node.isPropertyAssignment(property))
      return [{ name: nameText(property.getNameNode()), value: property.getInitializerOrThrow() }]
    if (Node.isShorthandPropertyAssignment(property)) return [{ name: property.getName(), value: property }]
    if (Node.isSpreadAssignment(property)) return [{ name: undefined, value: property.getExpression() }]
    return [{ name: nameText(property.getNameNode()), value: property }]
  })
}
