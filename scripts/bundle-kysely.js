/** Puts Kysely, as far as it is used, into dist/src/store/kysely.js, with its licence. Part of `npm run build`. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const module = fileURLToPath(new URL('../dist/src/store/kysely.js', import.meta.url))
const licence = fileURLToPath(new URL('../node_modules/kysely/LICENSE', import.meta.url))

await build({
  entryPoints: [module],
  outfile: module,
  allowOverwrite: true,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  // Names stay, for stacks and profiles; comments do not: a process keeps the text of its modules.
  minifyWhitespace: true,
  minifySyntax: true,
  banner: { js: `/*\nKysely, https://kysely.dev\n\n${readFileSync(licence, 'utf8').trim()}\n*/` },
  logLevel: 'warning',
})
