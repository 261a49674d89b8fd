/**
 * Writes docs/api.md: what src/index.ts exports, with its signature and its comment. Fails where an export has no
 * comment. typedoc does this too, but not with TypeScript 7 (0.28 takes 6.0 at most); ts-morph is here already.
 *
 * Run: node scripts/api.ts [--check]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type ArrowFunction,
  type ExportedDeclarations,
  type FunctionDeclaration,
  type JSDoc,
  type JSDocableNode,
  Node,
  Project,
  SyntaxKind,
} from 'ts-morph'

const SOURCE = 'src/index.ts'
const PAGE = 'docs/api.md'
/** Exported for the files that generate writes; nobody else writes them. */
const FOR_GENERATED = [
  'makeClient',
  'ClientSpec',
  'ClientSettings',
  'defineRegistry',
  'Registry',
  'RegistryEntry',
  'Calls',
  'CallsOf',
]

interface Entry {
  readonly name: string
  readonly kind: 'function' | 'type' | 'error'
  readonly text: string
}

const oneLine = (text: string): string => text.trim().replaceAll(/\s+/g, ' ')
const errorLink = (text: string): string =>
  text.replaceAll(/\b[A-Z]\w*Error\b/g, (name) => `[${name}](errors.md#${name.toLowerCase()})`)

const signatureOf = (name: string, made: FunctionDeclaration | ArrowFunction): string => {
  const list = (nodes: readonly Node[]): string => nodes.map((node) => node.getText()).join(', ')
  const generic = made.getTypeParameters().length === 0 ? '' : `<${list(made.getTypeParameters())}>`
  return `function ${name}${generic}(${list(made.getParameters())}): ${made.getReturnTypeNode()?.getText() ?? 'void'}`
}

/** The declaration as text, without the bodies of functions. */
const shownOf = (name: string, declarations: readonly ExportedDeclarations[]): string => {
  const [first] = declarations
  if (Node.isFunctionDeclaration(first))
    return first
      .getOverloads()
      .map((overload) => signatureOf(name, overload))
      .join('\n')
  if (Node.isVariableDeclaration(first))
    return signatureOf(name, first.getInitializerIfKindOrThrow(SyntaxKind.ArrowFunction))
  return first?.getText().replace(/^export /, '') ?? ''
}

const docsOf = (node: ExportedDeclarations | undefined): JSDoc[] => {
  if (Node.isVariableDeclaration(node)) return node.getVariableStatementOrThrow().getJsDocs()
  // The comment of a function stands at its first overload.
  if (Node.isFunctionDeclaration(node)) return node.getOverloads()[0]?.getJsDocs() ?? node.getJsDocs()
  return (node as (ExportedDeclarations & Partial<JSDocableNode>) | undefined)?.getJsDocs?.() ?? []
}

const exampleOf = (text: string): string => `\`\`\`ts\n${text.trim()}\n\`\`\`\n`

const tagLine = (tag: string, comment: string): string[] => {
  if (tag === 'returns') return [`- Returns ${oneLine(comment)}`]
  return tag === 'throws' ? [`- Throws ${errorLink(oneLine(comment))}`] : []
}

const describe = (doc: JSDoc): { lines: string[]; examples: string[] } => {
  const lines: string[] = []
  const examples: string[] = []
  for (const tag of doc.getTags()) {
    const comment = tag.getCommentText() ?? ''
    if (tag.getTagName() === 'example') examples.push(exampleOf(comment))
    else if (Node.isJSDocParameterTag(tag)) lines.push(`- \`${tag.getName()}\`: ${oneLine(comment)}`)
    else lines.push(...tagLine(tag.getTagName(), comment))
  }
  return { lines, examples }
}

const entryOf = (name: string, declarations: readonly ExportedDeclarations[]): Entry => {
  const [first] = declarations
  if (Node.isClassDeclaration(first)) return { name, kind: 'error', text: '' }
  const [doc] = docsOf(first)
  if (doc === undefined) throw new Error(`${SOURCE} exports ${name}, which has no comment`)
  const { lines, examples } = describe(doc)
  const kind = Node.isInterfaceDeclaration(first) || Node.isTypeAliasDeclaration(first) ? 'type' : 'function'
  const text = [
    `### ${name}\n`,
    `\`\`\`typescript\n${shownOf(name, declarations)}\n\`\`\`\n`,
    ...[oneLine(doc.getDescription())].filter((said) => said !== '').map((said) => `${said}\n`),
    ...(lines.length > 0 ? [`${lines.join('\n')}\n`] : []),
    ...examples,
  ]
  return { name, kind, text: text.join('\n') }
}

process.chdir(join(import.meta.dirname, '..'))
const project = new Project({ tsConfigFilePath: 'tsconfig.json', skipAddingFilesFromTsConfig: true })
const exported = project.addSourceFileAtPath(SOURCE).getExportedDeclarations()
const entries = [...exported].map(([name, declarations]) => entryOf(name, declarations))
const chosen = (kind: Entry['kind']): string[] =>
  entries
    .filter((entry) => entry.kind === kind && !FOR_GENERATED.includes(entry.name))
    .map(({ text }) => text)

const text = `# API

What \`import … from 'ztask'\` gives. Written by \`node scripts/api.ts\` from the comments in the sources; do not edit it.
Importing it opens nothing. The settings have [a table](../README.md#settings), the commands
[another](../README.md#commands).

## Functions

${chosen('function').join('\n')}
## Types

${chosen('type').join('\n')}
## Errors

${entries
  .filter(({ kind }) => kind === 'error')
  .map(({ name }) => errorLink(name))
  .join(' · ')}

## For the generated files

What \`client.ts\` and \`registry.ts\` are made of; nobody else needs it.

${entries
  .filter(({ name }) => FOR_GENERATED.includes(name))
  .map((entry) => entry.text)
  .join('\n')}`

if (existsSync(PAGE) && readFileSync(PAGE, 'utf8') === text) console.log(`${PAGE} is up to date`)
else if (process.argv.includes('--check')) {
  console.error(`${PAGE} is stale: run node scripts/api.ts and commit the result.`)
  process.exitCode = 1
} else {
  writeFileSync(PAGE, text)
  console.log(`wrote ${PAGE}`)
}
