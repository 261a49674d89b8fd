/**
 * Checks every import of src, codegen and migrations against `.dependency-cruiser.js`; exits 1 on a violation, and
 * where it has not seen every file.
 *
 * @example node scripts/check-imports.js           // this repository
 * @example node scripts/check-imports.js /a/copy   // a folder of the same layout
 */
import { existsSync, globSync } from 'node:fs'
import { registerHooks } from 'node:module'
import process from 'node:process'
import rules from '../.dependency-cruiser.js'

const FOLDERS = ['src', 'codegen', 'migrations']

// dependency-cruiser 18 parses TypeScript by the compiler's own API, which TypeScript 7 no longer has; it then finds no
// module at all and passes. It is given the TypeScript 6 that ts-morph carries, so that none has to be installed for it.
const { ts } = await import('ts-morph')
const COMPILER = new Map([
  ['typescript', { format: 'commonjs', source: "module.exports = require('ts-morph').ts" }],
  ['typescript/package.json', { format: 'json', source: JSON.stringify({ version: ts.version }) }],
])
registerHooks({
  resolve: (specifier, context, next) =>
    COMPILER.has(specifier) && context.parentURL?.includes('/dependency-cruiser/')
      ? { url: new URL(`./${specifier}?compiler`, import.meta.url).href, shortCircuit: true }
      : next(specifier, context),
  load: (url, context, next) => {
    const [, specifier] = /\/scripts\/(.+)\?compiler$/.exec(url) ?? []
    const compiler = COMPILER.get(specifier)
    return compiler === undefined ? next(url, context) : { ...compiler, shortCircuit: true }
  },
})

const root = process.argv[2] ?? new URL('..', import.meta.url).pathname
process.chdir(root)

const { cruise } = await import('dependency-cruiser')
const { forbidden, options } = rules
const folders = FOLDERS.filter((folder) => existsSync(folder))
const { output } = await cruise(folders, { ...options, ruleSet: { forbidden }, validate: true })

const files = folders.flatMap((folder) => globSync(`${folder}/**/*.ts`))
const seen = new Set(output.modules.map((module) => module.source))
const unseen = files.filter((file) => !seen.has(file))
const reasons = new Map(forbidden.map((rule) => [rule.name, rule.comment]))

for (const { from, to, rule, cycle } of output.summary.violations) {
  const way = cycle === undefined ? to : cycle.map((step) => step.name).join(' → ')
  console.error(`${rule.name}: ${from} → ${way}\n  ${reasons.get(rule.name)}`)
}
for (const file of unseen)
  console.error(`not-seen: ${file} was not parsed, so nothing is known of its imports`)
if (files.length === 0) console.error(`not-seen: no source file in ${FOLDERS.join(', ')} of ${root}`)

const faults = output.summary.violations.length + unseen.length
console.log(
  `${files.length - unseen.length} files, ${output.summary.totalDependenciesCruised} imports, ${faults} faults`,
)
process.exitCode = faults > 0 || files.length === 0 ? 1 : 0
