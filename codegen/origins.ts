/** Follows a name to where its value is written, through imports, re-exports, namespaces and constants. */
import {
  type Expression,
  type Identifier,
  Node,
  type SourceFile,
  SyntaxKind,
  VariableDeclarationKind,
} from 'ts-morph'
import { type Module, ZTASK } from './modules.ts'

/** What a name stands for in the end. */
export type Origin =
  | { readonly kind: 'module'; readonly module: Module }
  /** Something that ztask exports. */
  | { readonly kind: 'ztask'; readonly name: string }
  | { readonly kind: 'expression'; readonly expression: Expression }

type Resolve = (from: SourceFile, specifier: string) => Module | undefined

export class Origins {
  readonly #resolve: Resolve

  /** @param resolve which module a specifier leads to; a scan for tasks stays within what is parsed, constants go further */
  constructor(resolve: Resolve) {
    this.#resolve = resolve
  }

  /** @returns what an expression stands for; the expression itself, unwrapped, where it is no name. */
  of(expression: Expression, seen = new Set<unknown>()): Origin | undefined {
    const bare = unwrapped(expression)
    if (seen.has(bare)) return undefined
    seen.add(bare)
    if (Node.isIdentifier(bare)) return this.#ofIdentifier(bare, seen)
    if (!Node.isPropertyAccessExpression(bare)) return { kind: 'expression', expression: bare }
    const holder = this.of(bare.getExpression(), seen)
    return holder?.kind === 'module'
      ? this.ofExport(holder.module, bare.getName(), seen)
      : { kind: 'expression', expression: bare }
  }

  /** @returns what a module exports under a name. */
  ofExport(module: Module, name: string, seen = new Set<unknown>()): Origin | undefined {
    if (module === ZTASK) return { kind: 'ztask', name }
    const key = `${module.getFilePath()}#${name}`
    if (seen.has(key)) return undefined
    seen.add(key)
    return this.#ofDeclaredExport(module, name, seen) ?? this.#ofListedExport(module, name, seen)
  }

  /** @returns the module of an import or a re-export. */
  moduleOf(declaration: Node): Module | undefined {
    const specifier =
      Node.isImportDeclaration(declaration) || Node.isExportDeclaration(declaration)
        ? declaration.getModuleSpecifierValue()
        : undefined
    return specifier === undefined ? undefined : this.#resolve(declaration.getSourceFile(), specifier)
  }

  #ofIdentifier(identifier: Identifier, seen: Set<unknown>): Origin | undefined {
    const declaration = identifier.getSymbol()?.getDeclarations()[0]
    return declaration === undefined ? undefined : this.ofDeclaration(declaration, seen)
  }

  /** @returns what a declaration of a constant, or an import, stands for. */
  ofDeclaration(declaration: Node, seen = new Set<unknown>()): Origin | undefined {
    if (Node.isVariableDeclaration(declaration)) return this.#ofConstant(declaration, seen)
    const statement = declaration.getFirstAncestorByKind(SyntaxKind.ImportDeclaration)
    const module = statement === undefined ? undefined : this.moduleOf(statement)
    if (module === undefined) return undefined
    if (Node.isNamespaceImport(declaration)) return { kind: 'module', module }
    if (Node.isImportClause(declaration)) return this.ofExport(module, 'default', seen)
    return Node.isImportSpecifier(declaration)
      ? this.ofExport(module, declaration.getName(), seen)
      : undefined
  }

  #ofConstant(declaration: Node, seen: Set<unknown>): Origin | undefined {
    if (!Node.isVariableDeclaration(declaration)) return undefined
    const constant =
      declaration.getVariableStatement()?.getDeclarationKind() === VariableDeclarationKind.Const
    const value = constant ? declaration.getInitializer() : undefined
    return value === undefined ? undefined : this.of(value, seen)
  }

  #ofDeclaredExport(file: SourceFile, name: string, seen: Set<unknown>): Origin | undefined {
    if (name === 'default') {
      const value = file.getExportAssignment((one) => !one.isExportEquals())?.getExpression()
      return value === undefined ? undefined : this.of(value, seen)
    }
    const declaration = file.getVariableDeclaration(name)
    const exported = declaration?.getVariableStatement()?.isExported() === true
    return declaration !== undefined && exported ? this.#ofConstant(declaration, seen) : undefined
  }

  #ofListedExport(file: SourceFile, name: string, seen: Set<unknown>): Origin | undefined {
    for (const list of file.getExportDeclarations()) {
      const module = this.moduleOf(list)
      if (list.getNamespaceExport()?.getName() === name) return module && { kind: 'module', module }
      const entry = list.getNamedExports().find((one) => exportedName(one) === name)
      if (entry !== undefined)
        return list.hasModuleSpecifier()
          ? module && this.ofExport(module, entry.getName(), seen)
          : this.#ofLocal(entry, seen)
      const star = list.isNamespaceExport() && list.getNamespaceExport() === undefined && name !== 'default'
      const found = star && module !== undefined ? this.ofExport(module, name, seen) : undefined
      // Every name is something that ztask might export; only `task` and what hides it matter here.
      if (found !== undefined && !(found.kind === 'ztask' && found.name !== 'task')) return found
    }
    return undefined
  }

  #ofLocal(entry: Node, seen: Set<unknown>): Origin | undefined {
    const declaration = localDeclaration(entry)
    return declaration === undefined ? undefined : this.ofDeclaration(declaration, seen)
  }
}

/** @returns a name that may be written as a string. */
export const nameText = (name: Node): string =>
  Node.isLiteralLike(name) ? name.getLiteralText() : name.getText()

/** @returns the name that `export { x as name }` gives. */
export const exportedName = (entry: Node): string | undefined =>
  Node.isExportSpecifier(entry) ? nameText(entry.getAliasNode() ?? entry.getNameNode()) : undefined

/** @returns the declaration that `export { x }` lists. */
export const localDeclaration = (entry: Node): Node | undefined =>
  Node.isExportSpecifier(entry) ? entry.getLocalTargetSymbol()?.getDeclarations()[0] : undefined

/** @returns the expression inside parentheses, `as`, `satisfies` and `!`. */
export const unwrapped = (expression: Expression): Expression =>
  isWrapper(expression) ? unwrapped(expression.getExpression()) : expression

/** @returns whether a node only wraps an expression and leaves its value alone. */
export const isWrapper = (node: Node | undefined): node is Node & { getExpression(): Expression } =>
  Node.isParenthesizedExpression(node) ||
  Node.isAsExpression(node) ||
  Node.isSatisfiesExpression(node) ||
  Node.isNonNullExpression(node) ||
  Node.isTypeAssertion(node)
