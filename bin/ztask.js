#!/usr/bin/env node
// A Node that is too old must get as far as the sentence below: so this file has only syntax of Node 14, where
// await came to the top level, and imports nothing of ztask (such as node:sqlite) before it knows.
import { readFileSync } from 'node:fs'
import process from 'node:process'

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const [major, minor] = engines.node.match(/\d+/g).map(Number)
const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number)

if (ourMajor > major || (ourMajor === major && ourMinor >= minor)) {
  // Node 22 calls SQLite experimental on stderr, once a command; what ztask uses of it is the same in Node 24, which does not.
  const { emitWarning } = process
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).startsWith('SQLite is an experimental feature'))
      emitWarning.call(process, warning, ...rest)
  }
  const { run } = await import('../dist/src/cli/main.js')
  await run(process.argv.slice(2))
} else {
  process.stderr.write(
    `ztask needs Node ${major}.${minor} or newer, and this is ${process.versions.node}. ` +
      'Install a newer one (https://nodejs.org), or one for this project alone: npm install --save-dev node@24, then npx ztask.\n',
  )
  process.exitCode = 1
}
