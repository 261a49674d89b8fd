/**
 * Writes the list of errors in docs/errors.md from the comments of the classes in src/model/errors.ts: what it is, then
 * paragraphs that begin with "Raised:", "Data:" and "Cure:". Fails where one is missing, and where code gives an error
 * a fact that "Data:" does not name, or names one that no code gives.
 *
 * Run: node scripts/errors.ts [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ClassDeclaration, type NewExpression, Project, SyntaxKind } from 'ts-morph'

const SOURCE = 'src/model/errors.ts'
const PAGE = 'docs/errors.md'
const [BEGIN, END] = ['<!-- errors: node scripts/errors.ts -->', '<!-- end of errors -->']

interface ErrorEntry {
  readonly name: string
  readonly code: string
  readonly what: string
  readonly raised: string
  readonly data: string
  readonly cure: string
}

const oneLine = (text: string): string => text.trim().replaceAll(/\s+/g, ' ')

const codeOf = (found: ClassDeclaration): string =>
  found
    .getStaticPropertyOrThrow('code')
    .getFirstDescendantByKindOrThrow(SyntaxKind.StringLiteral)
    .getLiteralText()

const entryOf = (found: ClassDeclaration): ErrorEntry => {
  const name = found.getNameOrThrow()
  const [doc] = found.getJsDocs()
  const [what = '', ...rest] = (doc?.getDescription() ?? '').trim().split(/\n\n/)
  const labelled = (label: string): string => {
    const paragraph = rest.find((one) => one.startsWith(`${label}: `))
    if (paragraph === undefined)
      throw new Error(`${SOURCE}: the comment of ${name} has no paragraph '${label}: …'`)
    const text = oneLine(paragraph.slice(label.length + 2))
    return text.charAt(0).toUpperCase() + text.slice(1)
  }
  const [raised, data, cure] = [labelled('Raised'), labelled('Data'), labelled('Cure')]
  return { name, code: codeOf(found), what: oneLine(what), raised, data, cure }
}

/** The facts that a `new XError(message, { … })` gives; none where they are no literal. */
const factsOf = (made: NewExpression): string[] =>
  made
    .getArguments()[1]
    ?.asKind(SyntaxKind.ObjectLiteralExpression)
    ?.getProperties()
    .map((property) => property.getFirstDescendantByKindOrThrow(SyntaxKind.Identifier).getText()) ?? []

/** What the code gives each error, by its class's name. */
const givenBy = (project: Project): Map<string, Set<string>> => {
  const given = new Map<string, Set<string>>()
  for (const file of project.getSourceFiles())
    for (const made of file.getDescendantsOfKind(SyntaxKind.NewExpression)) {
      const name = made.getExpression().getText()
      const facts = given.get(name) ?? new Set()
      for (const fact of factsOf(made)) facts.add(fact)
      given.set(name, facts)
    }
  return given
}

const compareFacts = ({ name, data }: ErrorEntry, given: ReadonlySet<string>): void => {
  const said = new Set([...data.matchAll(/`(\w+)`/g)].map(([, fact = '']) => fact))
  const silent = [...given].filter((fact) => !said.has(fact))
  const invented = [...said].filter((fact) => !given.has(fact) && fact !== 'cause')
  if (silent.length > 0) throw new Error(`${SOURCE}: 'Data:' of ${name} does not name ${silent.join(', ')}`)
  if (invented.length > 0) throw new Error(`${SOURCE}: no code gives a ${name} its ${invented.join(', ')}`)
}

/** Pages beside this one, as links. */
const linked = (text: string): string => text.replaceAll(/docs\/([\w-]+\.md)/g, '[$1]($1)')

const row = ({ name, code, what }: ErrorEntry): string =>
  `| \`${code}\` | [${name}](#${name.toLowerCase()}) | ${what.replaceAll('|', '\\|')} |`

const section = ({ name, code, what, raised, data, cure }: ErrorEntry): string =>
  [
    `### ${name}`,
    '',
    `\`${code}\`: ${what}`,
    '',
    `- Raised: ${linked(raised)}`,
    `- Data: ${linked(data)}`,
    `- Cure: ${linked(cure)}`,
    '',
  ].join('\n')

process.chdir(join(import.meta.dirname, '..'))
const project = new Project({ skipAddingFilesFromTsConfig: true })
project.addSourceFilesAtPaths(['src/**/*.ts', 'codegen/**/*.ts'])
const given = givenBy(project)
const entries = project.getSourceFileOrThrow(SOURCE).getClasses().map(entryOf)
for (const entry of entries) compareFacts(entry, given.get(entry.name) ?? new Set())

const page = readFileSync(PAGE, 'utf8')
const [before = '', rest = ''] = page.split(BEGIN)
const [, after = ''] = rest.split(END)
const table = ['| code | class | |', '|---|---|---|', ...entries.map(row)].join('\n')
const text = `${before}${BEGIN}\n\n${table}\n\n${entries.map(section).join('\n')}\n${END}${after}`
if (text === page) console.log(`${PAGE} is up to date`)
else if (process.argv.includes('--check')) {
  console.error(`${PAGE} is stale: run node scripts/errors.ts and commit the result.`)
  process.exitCode = 1
} else {
  writeFileSync(PAGE, text)
  console.log(`wrote ${PAGE}`)
}
