/** Follows a name to where its value is written, through imports, re-exports, namespaces and constants. */
import {
  type BindingElement,
  type EntityName,
  type EnumDeclaration,
  type ExportSpecifier,
  type Expression,
  type Identifier,
  type ImportEqualsDeclaration,
  Node,
  type SourceFile,
  SyntaxKind,
  type VariableDeclaration,
  VariableDeclarationKind,
} from 'ts-morph'
import { assignedExports, assignedValue, wholeExport } from './commonjs.ts'
import { memberOf, nameText } from './member.ts'
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
  readonly #open = new Set<Node>()

  /** @param resolve which module a specifier leads to; a scan for tasks stays within what is parsed, constants go further */
  constructor(resolve: Resolve) {
    this.#resolve = resolve
  }

  /** @returns what `read` gives; nothing where that leads back to the same node: constants can hold each other. */
  once<T>(node: Node, read: () => T): T | undefined {
    if (this.#open.has(node)) return undefined
    this.#open.add(node)
    try {
      return read()
    } finally {
      this.#open.delete(node)
    }
  }

  /** @returns what an expression stands for; the expression itself, unwrapped, where it is no name. */
  of(expression: Expression, seen = new Set<unknown>()): Origin | undefined {
    const bare = unwrapped(assignedValue(unwrapped(expression)))
    if (seen.has(bare)) return undefined
    seen.add(bare)
    const origin = this.#ofBare(bare, seen)
    // Seen only while it is looked at: two names may lead through one expression.
    seen.delete(bare)
    return origin
  }

  #ofBare(bare: Expression, seen: Set<unknown>): Origin | undefined {
    if (Node.isIdentifier(bare)) return this.#ofIdentifier(bare, seen)
    const required = this.#ofRequire(bare)
    if (required !== undefined) return { kind: 'module', module: required }
    const member = memberOf(bare)
    const holder = member === undefined ? undefined : this.of(member.holder, seen)
    return member !== undefined && holder?.kind === 'module'
      ? this.ofExport(holder.module, member.name, seen)
      : { kind: 'expression', expression: bare }
  }

  /**
   * @returns what the function of a call stands for. A module that is called is what it exports as a whole, or its
   * default: which of them `import` gives is not the same in Node and in bundlers.
   */
  ofCallee(expression: Expression): Origin | undefined {
    const seen = new Set<unknown>()
    let origin = this.of(expression, seen)
    while (origin?.kind === 'module' && origin.module !== ZTASK && !seen.has(origin.module)) {
      seen.add(origin.module)
      const value = wholeExport(origin.module)
      origin = value === undefined ? this.ofExport(origin.module, 'default', seen) : this.of(value, seen)
    }
    return origin
  }

  /** @returns what `{ a }` in an object literal stands for. */
  ofShorthand(property: Node): Origin | undefined {
    return this.#ofValue(property, new Set())
  }

  /** @returns what a module exports under a name. */
  ofExport(module: Module, name: string, seen = new Set<unknown>()): Origin | undefined {
    if (module === ZTASK) return { kind: 'ztask', name }
    const key = `${module.getFilePath()}#${name}`
    if (seen.has(key)) return undefined
    seen.add(key)
    const own = this.#ofOwnExport(module, name, seen)
    if (own !== undefined) return own.origin
    return this.#ofStars(module, name, seen) ?? this.#ofAssignedExport(module, name, seen)
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
    return Node.isStringLiteral(specifier) || Node.isNoSubstitutionTemplateLiteral(specifier)
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
    if (Node.isImportEqualsDeclaration(declaration)) return this.#ofImportEquals(declaration, seen)
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

  /** `const { task: job } = z`, of a module, or `const { z: { task: job } } = y`. */
  #ofDestructured(element: BindingElement, seen: Set<unknown>): Origin | undefined {
    if (element.getDotDotDotToken() !== undefined) return undefined
    const outer = element.getParent().getParent()
    const holder = Node.isBindingElement(outer)
      ? this.#ofDestructured(outer, seen)
      : this.#ofConstant(outer, seen)
    const key = element.getPropertyNameNode() ?? element.getNameNode()
    return holder?.kind === 'module' ? this.ofExport(holder.module, nameText(key), seen) : undefined
  }

  /** `import z = require('ztask')`, and `import job = z.task`. */
  #ofImportEquals(declaration: ImportEqualsDeclaration, seen: Set<unknown>): Origin | undefined {
    const reference = declaration.getModuleReference()
    if (!Node.isExternalModuleReference(reference)) return this.#ofEntityName(reference, seen)
    const specifier = reference.getExpression()
    if (!Node.isStringLiteral(specifier)) return undefined
    const module = this.#resolve(declaration.getSourceFile(), specifier.getLiteralText())
    return module && { kind: 'module', module }
  }

  #ofEntityName(name: EntityName, seen: Set<unknown>): Origin | undefined {
    if (Node.isIdentifier(name)) {
      // Not by the checker, which follows the import itself, and gets lost where it leads out of what is parsed.
      const declaration = name.getSourceFile().getLocal(name.getText())?.getDeclarations()[0]
      return declaration === undefined ? undefined : this.ofDeclaration(declaration, seen)
    }
    const holder = this.#ofEntityName(name.getLeft(), seen)
    return holder?.kind === 'module'
      ? this.ofExport(holder.module, name.getRight().getText(), seen)
      : undefined
  }

  /** The export of that name, wherever it leads; nothing where the module has none, and a star may have it. */
  #ofOwnExport(
    file: SourceFile,
    name: string,
    seen: Set<unknown>,
  ): { origin: Origin | undefined } | undefined {
    const symbol = file.getSymbol()?.getExport(name)
    const declaration = symbol?.getValueDeclaration() ?? symbol?.getDeclarations()[0]
    if (declaration === undefined || isAssignment(declaration)) return undefined
    if (Node.isExportSpecifier(declaration)) return { origin: this.#ofEntry(declaration, seen) }
    if (Node.isExportAssignment(declaration)) return { origin: this.of(declaration.getExpression(), seen) }
    if (!Node.isNamespaceExport(declaration)) return { origin: this.ofDeclaration(declaration, seen) }
    const module = this.moduleOf(declaration.getParentOrThrow())
    return { origin: module && { kind: 'module', module } }
  }

  #ofAssignedExport(file: SourceFile, name: string, seen: Set<unknown>): Origin | undefined {
    const all = assignedExports(file)
    // Imported into an ES module, the default of a CommonJS module is all that it exports.
    const isObject = all.some((one) => one.name !== 'default' && one.name !== undefined)
    if (name === 'default' && (isObject || (all.length > 0 && all.every((one) => one.name !== 'default'))))
      return { kind: 'module', module: file }
    // Of two values of one name the later counts.
    for (const one of all.toReversed()) {
      if (one.name === name) return this.#ofValue(one.value, seen)
      const holder = one.name === undefined && name !== 'default' ? this.#ofValue(one.value, seen) : undefined
      const found = holder?.kind === 'module' ? this.#ofMember(holder.module, name, seen) : undefined
      if (found !== undefined) return found
    }
    return undefined
  }

  #ofValue(value: Node, seen: Set<unknown>): Origin | undefined {
    const declaration = shorthandTarget(value)
    if (declaration !== undefined) return this.ofDeclaration(declaration, seen)
    return Node.isExpression(value) ? this.of(value, seen) : undefined
  }

  #ofStars(file: SourceFile, name: string, seen: Set<unknown>): Origin | undefined {
    if (name === 'default') return undefined
    for (const list of file.getExportDeclarations()) {
      const star = list.isNamespaceExport() && list.getNamespaceExport() === undefined
      const module = star ? this.moduleOf(list) : undefined
      const found = module === undefined ? undefined : this.#ofMember(module, name, seen)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** As one name of all that a module exports: any might be one of ztask, of which only `task` matters here. */
  #ofMember(module: Module, name: string, seen: Set<unknown>): Origin | undefined {
    return module === ZTASK && name !== 'task' ? undefined : this.ofExport(module, name, seen)
  }

  #ofEntry(entry: ExportSpecifier, seen: Set<unknown>): Origin | undefined {
    const list = entry.getExportDeclaration()
    if (!list.hasModuleSpecifier()) return this.#ofLocal(entry, seen)
    const module = this.moduleOf(list)
    return module && this.ofExport(module, nameText(entry.getNameNode()), seen)
  }

  #ofLocal(entry: Node, seen: Set<unknown>): Origin | undefined {
    const declaration = localDeclaration(entry)
    return declaration === undefined ? undefined : this.ofDeclaration(declaration, seen)
  }
}

/** `exports.a = …` or `module.exports = { a }`, which counts as a declaration in JavaScript. */
const isAssignment = (node: Node): boolean =>
  Node.isExpression(node) || Node.isObjectLiteralExpression(node.getParent())

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
    .flatMap(namesIn)

const namesIn = (declaration: Named): Named[] => {
  const pattern = declaration.getNameNode()
  return Node.isObjectBindingPattern(pattern) ? pattern.getElements().flatMap(namesIn) : [declaration]
}

/** @returns the expression inside parentheses, `as`, `satisfies` and `!`. */
export const unwrapped = (expression: Expression): Expression =>
  isWrapper(expression) ? unwrapped(expression.getExpression()) : expression

/** @returns the parentheses, `as`, `satisfies` and `!` around a node, or the node itself. */
export const outermost = (node: Node): Node => {
  const parent = node.getParent()
  return isWrapper(parent) ? outermost(parent) : node
}

/** @returns whether a node only wraps an expression and leaves its value alone. */
const isWrapper = (node: Node | undefined): node is Node & { getExpression(): Expression } =>
  Node.isParenthesizedExpression(node) ||
  Node.isAsExpression(node) ||
  Node.isSatisfiesExpression(node) ||
  Node.isNonNullExpression(node) ||
  Node.isTypeAssertion(node)
