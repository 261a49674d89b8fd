/** Reads expressions as data: literals, and references to constants, in this file or imported. Nothing is run. */
import {
  type BinaryExpression,
  type EnumDeclaration,
  type Expression,
  Node,
  type ObjectLiteralExpression,
  SyntaxKind,
} from 'ts-morph'
import { nameText } from './member.ts'
import { type Origins, unwrapped } from './origins.ts'

/** A value, or the expression that is none. */
export type Data = { readonly value: unknown } | { readonly notData: Node }

/** One property of an object literal, as written. */
export interface Property {
  readonly name: string
  /** Where a reader should look when the name is wrong. */
  readonly key: Node
  /** Where a reader should look when the value is wrong. */
  readonly node: Node
  readonly data: Data
}

/** @returns the value of an expression, or the part of it that is no data. */
export const dataOf = (expression: Expression, origins: Origins): Data =>
  origins.once(expression, () => read(expression, origins)) ?? { notData: expression }

const read = (expression: Expression, origins: Origins): Data => {
  const origin = origins.of(expression)
  if (origin?.kind === 'enum') return enumeration(origin.declaration)
  if (origin?.kind !== 'expression') return literal(unwrapped(expression), origins)
  return literal(origin.expression, origins)
}

const literal = (node: Expression, origins: Origins): Data => {
  if (Node.isStringLiteral(node) || Node.isNoSubstitutionTemplateLiteral(node))
    return { value: node.getLiteralText() }
  if (Node.isNumericLiteral(node)) return { value: node.getLiteralValue() }
  if (Node.isTrueLiteral(node) || Node.isFalseLiteral(node)) return { value: node.getLiteralValue() }
  if (Node.isNullLiteral(node)) return { value: null }
  if (Node.isIdentifier(node) && node.getText() === 'undefined') return { value: undefined }
  if (Node.isPrefixUnaryExpression(node)) return signed(node, origins)
  if (Node.isBinaryExpression(node)) return calculated(node, origins)
  if (Node.isArrayLiteralExpression(node)) return list(node.getElements(), origins)
  if (Node.isObjectLiteralExpression(node)) return object(node, origins)
  return Node.isPropertyAccessExpression(node) ? member(node, origins) : { notData: node }
}

const enumeration = (declaration: EnumDeclaration): Data => ({
  value: Object.fromEntries(declaration.getMembers().map((one) => [one.getName(), one.getValue()])),
})

const signed = (node: Node, origins: Origins): Data => {
  if (!Node.isPrefixUnaryExpression(node)) return { notData: node }
  const inner = dataOf(node.getOperand(), origins)
  if ('notData' in inner) return inner
  const { value } = inner
  if (typeof value !== 'number') return { notData: node }
  if (node.getOperatorToken() === SyntaxKind.MinusToken) return { value: -value }
  return node.getOperatorToken() === SyntaxKind.PlusToken ? { value } : { notData: node }
}

/** Durations are seconds, so people write `24 * 60 * 60`. */
const ARITHMETIC = new Map<SyntaxKind, (a: number, b: number) => number>([
  [SyntaxKind.AsteriskToken, (a, b) => a * b],
  [SyntaxKind.SlashToken, (a, b) => a / b],
  [SyntaxKind.PlusToken, (a, b) => a + b],
  [SyntaxKind.MinusToken, (a, b) => a - b],
])

const calculated = (node: BinaryExpression, origins: Origins): Data => {
  const operator = ARITHMETIC.get(node.getOperatorToken().getKind())
  const [left, right] = [node.getLeft(), node.getRight()].map((side) => dataOf(side, origins))
  if (left === undefined || right === undefined) return { notData: node }
  if ('notData' in left) return left
  if ('notData' in right) return right
  const [a, b] = [left.value, right.value]
  if (operator === undefined || typeof a !== 'number' || typeof b !== 'number') return { notData: node }
  return { value: operator(a, b) }
}

const list = (elements: readonly Expression[], origins: Origins): Data => {
  const values: unknown[] = []
  for (const element of elements) {
    const spread = Node.isSpreadElement(element)
    const data = dataOf(spread ? element.getExpression() : element, origins)
    if ('notData' in data) return data
    if (spread && !Array.isArray(data.value)) return { notData: element }
    values.push(...(spread ? (data.value as unknown[]) : [data.value]))
  }
  return { value: values }
}

const object = (node: ObjectLiteralExpression, origins: Origins): Data => {
  const properties = propertiesOf(node, origins)
  const bad = properties.find(({ data }) => 'notData' in data)
  if (bad !== undefined) return bad.data
  return {
    value: Object.fromEntries(properties.map(({ name, data }) => [name, 'value' in data && data.value])),
  }
}

const member = (node: Node, origins: Origins): Data => {
  if (!Node.isPropertyAccessExpression(node)) return { notData: node }
  const holder = dataOf(node.getExpression(), origins)
  if ('notData' in holder) return { notData: node }
  const { value } = holder
  const found = typeof value === 'object' && value !== null && Object.hasOwn(value, node.getName())
  return found ? { value: (value as Record<string, unknown>)[node.getName()] } : { notData: node }
}

/** @returns the properties of an object literal in order, those of spread constants among them. */
export const propertiesOf = (literal: ObjectLiteralExpression, origins: Origins): Property[] =>
  literal.getProperties().flatMap((property): Property | Property[] => {
    if (Node.isPropertyAssignment(property)) {
      const name = property.getNameNode()
      const value = property.getInitializerOrThrow()
      return Node.isComputedPropertyName(name)
        ? { name: name.getText(), key: name, node: name, data: { notData: name } }
        : { name: nameText(name), key: name, node: value, data: dataOf(value, origins) }
    }
    if (Node.isShorthandPropertyAssignment(property)) {
      const value = constantOfShorthand(property, origins)
      return { name: property.getName(), key: property, node: property, data: value }
    }
    if (Node.isSpreadAssignment(property)) return spread(property.getExpression(), origins)
    return { name: property.getName(), key: property, node: property, data: { notData: property } }
  })

const constantOfShorthand = (property: Node, origins: Origins): Data => {
  const declaration = Node.isShorthandPropertyAssignment(property)
    ? property.getValueSymbol()?.getDeclarations()[0]
    : undefined
  const origin = declaration === undefined ? undefined : origins.ofDeclaration(declaration)
  return origin?.kind === 'expression' ? literal(origin.expression, origins) : { notData: property }
}

const spread = (expression: Expression, origins: Origins): Property[] => {
  const data = dataOf(expression, origins)
  const { value } = 'value' in data ? data : {}
  if (typeof value !== 'object' || value === null)
    return [{ name: '...', key: expression, node: expression, data: { notData: expression } }]
  return Object.entries(value).map(([name, one]) => ({
    name,
    key: expression,
    node: expression,
    data: { value: one },
  }))
}
