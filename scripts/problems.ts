/**
 * Writes the table of problems in docs/codegen.md: each is what `ztask generate` says of a project in
 * test/fixtures/problems, which is named by the problem's code.
 *
 * Run: node scripts/problems.ts [--check]
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROBLEMS, type Problem, type ProblemCode, render } from '../codegen/problem.ts'
import { Scanner } from '../codegen/scanner.ts'
import { loadProject } from '../src/config.ts'

const FIXTURES = 'test/fixtures/problems'
const PAGE = 'docs/codegen.md'
const [BEGIN, END] = ['<!-- problems: node scripts/problems.ts -->', '<!-- end of problems -->']

/** The problem that a fixture is there for; scanned in a copy, as a scan leaves its cache behind. */
const problemOf = async (code: ProblemCode): Promise<Problem> => {
  const root = mkdtempSync(join(tmpdir(), 'ztask-problems-'))
  try {
    cpSync(join(FIXTURES, code), root, { recursive: true })
    const { problems } = await new Scanner(await loadProject(root, {})).scan()
    const found = problems.find((problem) => problem.code === code)
    if (found === undefined) throw new Error(`${FIXTURES}/${code} does not have the problem ${code}`)
    return found
  } finally {
    rmSync(root, { recursive: true })
  }
}

const section = (problem: Problem): string =>
  [`### ${problem.code}`, '', '```text', render(problem), '```', ''].join('\n')

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

const row = ({ code, severity, message, cure }: Problem): string =>
  `| [\`${code}\`](#${code}) | ${severity} | ${cell(message)} | ${cell(cure)} |`

process.chdir(join(import.meta.dirname, '..'))
const codes = Object.keys(PROBLEMS) as ProblemCode[]
const strangers = readdirSync(FIXTURES).filter((name) => !Object.hasOwn(PROBLEMS, name))
if (strangers.length > 0) throw new Error(`${FIXTURES} holds what is no code: ${strangers.join(', ')}`)
const problems: Problem[] = []
for (const code of codes) problems.push(await problemOf(code))

const page = readFileSync(PAGE, 'utf8')
const [before = '', rest = ''] = page.split(BEGIN)
const [, after = ''] = rest.split(END)
const head = ['| code | | for example | the cure |', '|---|---|---|---|']
const table = [...head, ...problems.map(row)].join('\n')
const text = `${before}${BEGIN}\n\n${table}\n\n${problems.map(section).join('\n')}\n${END}${after}`
if (text === page) console.log(`${PAGE} is up to date`)
else if (process.argv.includes('--check')) {
  console.error(`${PAGE} is stale: run node scripts/problems.ts and commit the result.`)
  process.exitCode = 1
} else {
  writeFileSync(PAGE, text)
  console.log(`wrote ${PAGE}`)
}
