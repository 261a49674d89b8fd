/** Follows a name to where its value is written, through imports, re-exports, namespaces and constants. */
import {
  type BindingElement,
  type EnumDeclaration,
  type Expression,
  type Identifier,
  Node,
  type SourceFile,
  SyntaxKind,
  type VariableDeclaration,
  VariableDeclarationKind,
} from 'ts-morph'
import { assignedExports } from './commonjs.ts'
import { type Module, ZTASK } from './modules.ts'

/** What a name stands for in the end. */
export type Origin =
  | { readonly kind: 'module'; readonly module: Module }
  /** Something that ztask exports. */
  | { readonly kind: 'ztask'; readonly name: string }
  | { readonly kind: 'enum'; readonly declaration: EnumDeclaration }
  | { readonly kind: 'expression'; readonly expression: Expression }

/** A constant, or one of those that `const { a, b } = c` makes. */
type Named = VariableDeclaration | BindingElement

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
    const required = this.#ofRequire(bare)
    if (required !== undefined) return { kind: 'module', module: required }
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
    return (
      this.#ofDeclaredExport(module, name, seen) ??
      this.#ofListedExport(module, name, seen) ??
      this.#ofAssignedExport(module, name, seen)
    )
  }

  /** @returns the module of an import or a re-export. */
  moduleOf(declaration: Node): Module | undefined {
    const specifier =
      Node.isImportDeclaration(declaration) || Node.isExportDeclaration(declaration)
        ? declaration.getModuleSpecifierValue()
        : undefined
    return specifier === undefined ? undefined : this.#resolve(declaration.getSourceFile(), specifier)
  }

  /** `require('…')`, and `await import('…')`. */
  #ofRequire(expression: Expression): Module | undefined {
    const call = Node.isAwaitExpression(expression) ? unwrapped(expression.getExpression()) : expression
    if (!Node.isCallExpression(call)) return undefined
    const callee = call.getExpression().getText()
    if (callee !== (call === expression ? 'require' : 'import')) return undefined
    const [specifier] = call.getArguments()
    return Node.isStringLiteral(specifier)
      ? this.#resolve(call.getSourceFile(), specifier.getLiteralText())
      : undefined
  }

  #ofIdentifier(identifier: Identifier, seen: Set<unknown>): Origin | undefined {
    const declaration = identifier.getSymbol()?.getDeclarations()[0]
    return declaration === undefined ? undefined : this.ofDeclaration(declaration, seen)
  }

  /** @returns what a declaration of a constant, or an import, stands for. */
  ofDeclaration(declaration: Node, seen = new Set<unknown>()): Origin | undefined {
    if (Node.isVariableDeclaration(declaration)) return this.#ofConstant(declaration, seen)
    if (Node.isBindingElement(declaration)) return this.#ofDestructured(declaration, seen)
    if (Node.isEnumDeclaration(declaration)) return { kind: 'enum', declaration }
    if (Node.isImportEqualsDeclaration(declaration)) return this.#ofImportEquals(declaration)
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
    const value = declaration.getInitializer()
    const origin = value === undefined ? undefined : this.of(value, seen)
    const kind = declaration.getVariableStatement()?.getDeclarationKind()
    // `var z = require('ztask')` is common, and nobody gives it another value; of a value that may change nothing is known.
    return kind === VariableDeclarationKind.Const || origin?.kind !== 'expression' ? origin : undefined
  }

  /** `const { task: job } = z`, of a module. */
  #ofDestructured(element: BindingElement, seen: Set<unknown>): Origin | undefined {
    const declaration = element.getParent().getParent()
    if (!Node.isVariableDeclaration(declaration) || element.getDotDotDotToken() !== undefined)
      return undefined
    const holder = this.#ofConstant(declaration, seen)
    const key = element.getPropertyNameNode() ?? element.getNameNode()
    return holder?.kind === 'module' ? this.ofExport(holder.module, nameText(key), seen) : undefined
  }

  /** `import z = require('ztask')` */
  #ofImportEquals(declaration: Node): Origin | undefined {
    if (!Node.isImportEqualsDeclaration(declaration)) return undefined
    const reference = declaration.getModuleReference()
    const specifier = Node.isExternalModuleReference(reference) ? reference.getExpression() : undefined
    if (!Node.isStringLiteral(specifier)) return undefined
    const module = this.#resolve(declaration.getSourceFile(), specifier.getLiteralText())
    return module && { kind: 'module', module }
  }

  #ofDeclaredExport(file: SourceFile, name: string, seen: Set<unknown>): Origin | undefined {
    if (name === 'default') {
      const value = file.getExportAssignment((one) => !one.isExportEquals())?.getExpression()
      return value === undefined ? undefined : this.of(value, seen)
    }
    const enumeration = file.getEnum(name)
    if (enumeration?.isExported()) return { kind: 'enum', declaration: enumeration }
    const declaration = exportedConstants(file).find((one) => one.getName() === name)
    return declaration === undefined ? undefined : this.ofDeclaration(declaration, seen)
  }

  #ofAssignedExport(file: SourceFile, name: string, seen: Set<unknown>): Origin | undefined {
    const all = assignedExports(file)
    // Imported into an ES module, the default of a CommonJS module is all that it exports.
    if (name === 'default' && all.some((one) => one.name !== 'default' && one.name !== undefined))
      return { kind: 'module', module: file }
    for (const one of all) {
      const origin = one.name === undefined || one.name === name ? this.#ofValue(one.value, seen) : undefined
      if (one.name === name && origin !== undefined) return origin
      const found = origin?.kind === 'module' ? this.ofExport(origin.module, name, seen) : undefined
      if (found !== undefined) return found
    }
    return undefined
  }

  #ofValue(value: Node, seen: Set<unknown>): Origin | undefined {
    const declaration = shorthandTarget(value)
    if (declaration !== undefined) return this.ofDeclaration(declaration, seen)
    return Node.isExpression(value) ? this.of(value, seen) : undefined
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

/** @returns the declaration that `{ x }` names in an object literal. */
export const shorthandTarget = (property: Node): Node | undefined =>
  Node.isShorthandPropertyAssignment(property) ? property.getValueSymbol()?.getDeclarations()[0] : undefined

/** @returns the names that a module exports where it declares them, destructured ones too. */
export const exportedConstants = (file: SourceFile): Named[] =>
  file
    .getVariableStatements()
    .filter((statement) => statement.isExported())
    .flatMap((statement) => statement.getDeclarations())
    .flatMap((declaration): Named[] => {
      const pattern = declaration.getNameNode()
      return Node.isObjectBindingPattern(pattern) ? pattern.getElements() : [declaration]
    })

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
