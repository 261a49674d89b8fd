/** Finds the calls of `task()` and what each is bound to. */
import { type CallExpression, type Expression, Node, type SourceFile, SyntaxKind } from 'ts-morph'
import { assignedExports } from './commonjs.ts'
import { type Enclosure, enclosureOf, partOf } from './enclosure.ts'
import { exportedName, localDeclaration, type Origins, outermost, shorthandTarget } from './origins.ts'

/** A call of `task()`. */
export interface Definition {
  readonly call: CallExpression
  /** Where its name stands, or the call where it has none. */
  readonly node: Node
  /** The constant that holds the task. */
  readonly local: string | undefined
  /** The names that its module exports it by, `default` last; none where it cannot be reached. */
  readonly exports: readonly string[]
  /** What hides it from the exports of its module. */
  readonly inside: Enclosure | undefined
  /** Whether its export is declared where it stands, and not by a list or by an assignment elsewhere. */
  readonly declared: boolean
  /** The documentation comment before it. */
  readonly comment: string | undefined
}

/** @returns all calls of ztask's `task` in a file, in their order. */
export const definitionsIn = (file: SourceFile, origins: Origins): Definition[] =>
  file
    .getDescendantsOfKind(SyntaxKind.CallExpression)
    .filter((call) => isTaskFunction(call.getExpression(), origins))
    .map(definitionOf)

const isTaskFunction = (callee: Expression, origins: Origins): boolean => {
  const origin = origins.ofCallee(callee)
  return origin?.kind === 'ztask' && origin.name === 'task'
}

const definitionOf = (call: CallExpression): Definition => {
  const holder = outermost(call).getParent()
  const comment = documentation(call)
  const inside = enclosureOf(call)
  if (Node.isVariableDeclaration(holder) && Node.isIdentifier(holder.getNameNode())) {
    const exports = inside === undefined ? exportsOf(holder) : []
    const local = holder.getName()
    const declared = holder.getVariableStatement()?.hasExportKeyword() === true && exports[0] === local
    return { call, node: holder.getNameNode(), local, exports, inside, declared, comment }
  }
  const isDefault = Node.isExportAssignment(holder) && !holder.isExportEquals()
  const assigned = inside === undefined ? assignedNames(call.getSourceFile(), outermost(call)) : []
  const exports = isDefault ? ['default'] : assigned
  const part = exports.length === 0 ? partOf(holder) : undefined
  return { call, node: call, local: undefined, exports, inside: inside ?? part, declared: true, comment }
}

const exportsOf = (declaration: Node): string[] => {
  if (!Node.isVariableDeclaration(declaration)) return []
  const file = declaration.getSourceFile()
  const own = declaration.getVariableStatement()?.hasExportKeyword() === true ? [declaration.getName()] : []
  const listed = file
    .getExportDeclarations()
    .filter((list) => !list.hasModuleSpecifier() && !list.isTypeOnly())
    .flatMap((list) => list.getNamedExports())
    .filter((entry) => !entry.isTypeOnly() && localDeclaration(entry) === declaration)
    .flatMap((entry) => exportedName(entry) ?? [])
  const assigned = file
    .getExportAssignments()
    .filter((one) => isDefaultOf(one, declaration))
    .map(() => 'default')
  const names = [...own, ...listed, ...assigned, ...assignedNames(file, declaration)]
  return [...names.filter((name) => name !== 'default'), ...names.filter((name) => name === 'default')]
}

/** The names that CommonJS exports give to the value of an expression, or to a constant. */
const assignedNames = (file: SourceFile, target: Node): string[] =>
  assignedExports(file)
    .filter(({ value }) => value === target || (shorthandTarget(value) ?? constantOf(value)) === target)
    .flatMap(({ name }) => name ?? [])

const constantOf = (value: Node): Node | undefined =>
  Node.isIdentifier(value) ? value.getSymbol()?.getDeclarations()[0] : undefined

const isDefaultOf = (assignment: Node, declaration: Node): boolean => {
  if (!Node.isExportAssignment(assignment) || assignment.isExportEquals()) return false
  return assignment.getExpression().getSymbol()?.getDeclarations()[0] === declaration
}

/** The comment before the statement, or before the member of `module.exports = { … }`. */
const documentation = (call: Node): string | undefined =>
  call
    .getFirstAncestor((node) => Node.isPropertyAssignment(node) || Node.isSourceFile(node.getParent()))
    ?.getLeadingCommentRanges()
    .map((range) => range.getText())
    .findLast((text) => text.startsWith('/**'))
