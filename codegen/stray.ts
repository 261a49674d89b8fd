/** Uses of `task` that are neither a call of it nor a way to hand it on by name: what becomes of them is not followed. */
import { Node, type SourceFile, SyntaxKind } from 'ts-morph'
import { assignedExports } from './commonjs.ts'
import type { Fault } from './options.ts'
import { type Origins, outermost } from './origins.ts'

/** @returns a warning for each use of `task` as a value. */
export const strayUses = (file: SourceFile, origins: Origins): Fault[] => {
  const names = namesOfTask(file, origins)
  const exported = new Set(assignedExports(file).map(({ value }) => value))
  return file
    .getDescendantsOfKind(SyntaxKind.Identifier)
    .filter((identifier) => names.has(identifier.getText()))
    .map(whole)
    .filter((node) => !exported.has(node) && isValue(node) && isTask(node, origins))
    .map((node) => ({
      node,
      code: 'task-as-value',
      message: '`task` is handed on as a value here, and the tasks that are made of it are not found.',
      cure: 'Call `task` itself at the top level of a module: `export const sendEmail = task(…)`.',
    }))
}

/** What `task` is called in a file, `task` itself for members of namespaces. */
const namesOfTask = (file: SourceFile, origins: Origins): Set<string> => {
  const imported = file
    .getImportDeclarations()
    .flatMap((one) => [one.getDefaultImport(), ...one.getNamedImports().map(localName)])
  const constants = file.getVariableDeclarations().map((one) => one.getNameNode())
  const local = [...imported, ...constants].filter((name) => Node.isIdentifier(name) && isTask(name, origins))
  return new Set(['task', ...local.map((name) => name?.getText() ?? 'task')])
}

const localName = (entry: Node): Node | undefined =>
  Node.isImportSpecifier(entry) ? (entry.getAliasNode() ?? entry.getNameNode()) : undefined

/** Of `z.task` all of it; of `{ task }` the member. */
const whole = (identifier: Node): Node => {
  const parent = identifier.getParent()
  if (Node.isShorthandPropertyAssignment(parent)) return parent
  const isName = Node.isPropertyAccessExpression(parent) && parent.getNameNode() === identifier
  return outermost(isName ? parent : identifier)
}

/** Whether it stands where a value is used: not as a callee, a constant's value, or in an import or an export. */
const isValue = (node: Node): boolean => {
  if (Node.isShorthandPropertyAssignment(node)) return true
  const parent = node.getParent()
  if (Node.isCallExpression(parent)) return parent.getExpression() !== node
  if (Node.isPropertyAccessExpression(parent)) return parent.getExpression() === node
  if (Node.isPropertyAssignment(parent)) return parent.getInitializer() === node
  return (
    Node.isArrayLiteralExpression(parent) ||
    Node.isBinaryExpression(parent) ||
    Node.isConditionalExpression(parent) ||
    Node.isReturnStatement(parent) ||
    Node.isArrowFunction(parent)
  )
}

const isTask = (node: Node, origins: Origins): boolean => {
  const origin = Node.isShorthandPropertyAssignment(node)
    ? origins.ofShorthand(node)
    : Node.isExpression(node)
      ? origins.of(node)
      : undefined
  return origin?.kind === 'ztask' && origin.name === 'task'
}
