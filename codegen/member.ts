/** The two ways to write a member: `a.b`, and `a['b']` as compilers and quoted names have it. */
import { type Expression, Node } from 'ts-morph'

export interface Member {
  readonly holder: Expression
  readonly name: string
}

/** @returns a name that may be written as a string. */
export const nameText = (name: Node): string =>
  Node.isLiteralLike(name) ? name.getLiteralText() : name.getText()

/** @returns the member that an expression names; nothing where its name is not written there. */
export const memberOf = (node: Node): Member | undefined => {
  if (Node.isPropertyAccessExpression(node)) return { holder: node.getExpression(), name: node.getName() }
  const key = Node.isElementAccessExpression(node) ? node.getArgumentExpression() : undefined
  return Node.isElementAccessExpression(node) && Node.isStringLiteral(key)
    ? { holder: node.getExpression(), name: key.getLiteralText() }
    : undefined
}
