/** Puts packages, as far as they are used, into one module of dist/ each, with their licences. Part of `npm run build`. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const BUNDLED = [
  { module: 'store/kysely.js', title: 'Kysely, https://kysely.dev', licence: 'kysely/LICENSE' },
  { module: 'client/uuid.js', title: 'uuid, https://github.com/uuidjs/uuid', licence: 'uuid/LICENSE.md' },
]

const pathOf = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

for (const { module, title, licence } of BUNDLED) {
  const file = pathOf(`dist/src/${module}`)
  const terms = readFileSync(pathOf(`node_modules/${licence}`), 'utf8').trim()
  await build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    // Names stay, for stacks and profiles; comments do not: a process keeps the text of its modules.
    minifyWhitespace: true,
    minifySyntax: true,
    banner: { js: `/*\n${title}\n\n${terms}\n*/` },
    logLevel: 'warning',
  })
}
