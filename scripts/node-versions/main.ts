/**
 * Tries the packed tarball on other Nodes: installs each by its npm package into a temporary folder (about 190 MB each),
 * installs the tarball with npm and the registry's own dependencies, runs `smoke.ts` on it and prints a table. Node 20 is
 * there for what npm and ztask say of a Node that is too old.
 *
 * Run: npm run build && node scripts/node-versions/main.ts [22.22.0 24 …]
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const VERSIONS = ['20', '22.22.0', '22', '24', '26']
const SMOKE = join(import.meta.dirname, 'smoke.ts')
const REPOSITORY = join(import.meta.dirname, '../..')

const work = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-nodes-')))

/** @returns whether it ended well, and what it printed */
const run = (command: string, argv: readonly string[], cwd: string, nodeFolder?: string) => {
  const path = [nodeFolder, process.env.PATH].filter((part) => part !== undefined).join(delimiter)
  const env = { ...process.env, PATH: path }
  const { status, stdout, stderr } = spawnSync(command, argv, { cwd, env, encoding: 'utf8' })
  return { ok: status === 0, said: `${stdout}${stderr}` }
}

/** A folder of its own, with a package.json. */
const folder = (name: string): string => {
  const dir = join(work, name)
  mkdirSync(dir)
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'application', version: '1.0.0' }))
  return dir
}

const lastOf = (said: string): string => said.trim().split('\n').at(-1) ?? ''

interface Row {
  readonly node: string
  readonly install: string
  readonly engines: string
  readonly smoke: string
}

const tried = (version: string, tarball: string): Row => {
  const home = folder(`node-${version}`)
  const brought = run('npm', ['install', `node@${version}`], home)
  const bin = join(home, 'node_modules/node/bin')
  const node = run(join(bin, 'node'), ['--version'], home, bin)
  if (!brought.ok || !node.ok) return { node: version, install: lastOf(brought.said), engines: '', smoke: '' }

  const application = folder(`application-${version}`)
  const installed = run('npm', ['install', tarball], application, bin)
  const warned = /EBADENGINE/.test(installed.said)
  // Node 20 runs no TypeScript, so the smoke test does not start there: what the command says is what a user sees.
  const ztask = run(join(application, 'node_modules/.bin/ztask'), ['generate'], application, bin)
  const old = /^v20\./.test(node.said)
  const smoke = old ? ztask : run(join(bin, 'node'), [SMOKE, application], application, bin)
  return {
    node: node.said.trim(),
    install: installed.ok ? 'ok' : lastOf(installed.said),
    engines: warned ? 'npm warns: EBADENGINE' : 'no warning',
    smoke: smoke.ok ? smoke.said.trim().replaceAll('\n', ', ') : smoke.said.trim(),
  }
}

const [, , ...asked] = process.argv
try {
  const packed = run('npm', ['pack', '--ignore-scripts', '--pack-destination', work], REPOSITORY)
  if (!packed.ok) throw new Error(packed.said)
  const tarball = join(work, readdirSync(work).find((name) => name.endsWith('.tgz')) ?? '')
  const rows = (asked.length > 0 ? asked : VERSIONS).map((version) => tried(version, tarball))
  console.log('| Node | npm install | engines | smoke test |\n|---|---|---|---|')
  for (const { node, install, engines, smoke } of rows)
    console.log(`| ${node} | ${install} | ${engines} | ${smoke.split('\n').slice(0, 12).join(' / ')} |`)
  const supported = rows.filter(({ node }) => !/^v?20/.test(node))
  if (supported.some(({ smoke }) => !smoke.includes('ended'))) process.exitCode = 1
} finally {
  rmSync(work, { recursive: true, force: true })
}
