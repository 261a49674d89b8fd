#!/usr/bin/env node
import process from 'node:process'

// Before anything that an older Node cannot even load, such as node:sqlite. The same as `engines`, which npm only warns of.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 22)) {
  console.error(
    `ztask needs Node 22.22 or newer, and this is ${process.versions.node}: install a newer Node.`,
  )
  process.exit(1)
}

// Node 22 calls SQLite experimental on stderr, once a command; what ztask uses of it is the same in Node 24, which does not.
const { emitWarning } = process
process.emitWarning = (warning, ...rest) => {
  if (!String(warning).startsWith('SQLite is an experimental feature'))
    emitWarning.call(process, warning, ...rest)
}

const { run } = await import('../dist/src/cli/main.js')
await run(process.argv.slice(2))
