/**
 * Uses ztask as it is installed in a folder, on the Node that runs this: what `import` and `require` give, generate, a
 * daemon, calls from an ES module and from CommonJS, the run of each. Exits 1 with what failed.
 *
 * Run: node scripts/node-versions/smoke.ts FOLDER
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { RunningProcess } from '../../test/harness/process.ts'
import { until } from '../../test/harness/until.ts'

const dir = resolve(process.argv[2] ?? '.')
const EXECUTABLE = 'node_modules/ztask/bin/ztask.js'

const FILES = {
  'src/tasks.ts': `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
enum Line { End = '\\n' }
/** Says what it is given. */
export const say = task((what: string) => appendFileSync('said', what + Line.End))
`,
  'imports.mjs': `
import * as ztask from 'ztask'
console.log(Object.keys(ztask).sort().join(' '))
`,
  'requires.cjs': `
const ztask = require('ztask')
console.log(Object.keys(ztask).filter((name) => name !== '__esModule').sort().join(' '))
`,
  'src/call.mts': `
import { tasks } from './ztask/client.js'
console.log((await tasks.say.async('from an ES module')).id)
`,
  // Where package.json has no type this is CommonJS: tsx loads ztask by `require`. Not a .cts file, from which tsx 4.23 cannot
  // load ES syntax in a .ts file on Node 22.22.0 and .1.
  'src/call.ts': `
import { tasks } from './ztask/client.js'
tasks.say.after(0.1, 'from CommonJS').then((job) => console.log(job.id))
`,
}

const env = { ZTASKD_URL: `ipc://${dir}/daemon.sock` }

const run = async (...argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await new RunningProcess(argv, dir, env).ended
  assert.equal(code, 0, `node ${argv.join(' ')}: ${code}\n${stdout}${stderr}`)
  return stdout
}

/** ztask's own tsx, which package managers that do not hoist hide from the project. */
const tsx = (): string => {
  const fromZtask = createRequire(createRequire(join(dir, 'x.js')).resolve('ztask'))
  return fromZtask.resolve('tsx')
}

for (const [file, text] of Object.entries(FILES)) {
  mkdirSync(dirname(join(dir, file)), { recursive: true })
  writeFileSync(join(dir, file), text)
}

const imported = await run('imports.mjs')
assert.match(imported, /\bmakeClient\b.*\btask\b/)
assert.equal(await run('requires.cjs'), imported)
console.log('import, require')

const generated = await new RunningProcess([EXECUTABLE, 'generate'], dir, env).ended
assert.deepEqual([generated.code, generated.stderr], [0, ''])
await run(EXECUTABLE, 'generate', '--check')
console.log('generate')

const daemon = new RunningProcess([EXECUTABLE, 'daemon', '--workers', '1'], dir, env)
try {
  await daemon.prints(/Listening on/)
  for (const script of ['src/call.mts', 'src/call.ts'])
    assert.match(await run('--import', tsx(), script), /^[0-9a-f-]{36}\n$/)
  console.log('call')
  const said = () => (existsSync(join(dir, 'said')) ? readFileSync(join(dir, 'said'), 'utf8') : '')
  await until(
    `the tasks to run: ${said()}`,
    () => said().includes('module\n') && said().includes('CommonJS\n'),
  )
  console.log('run')
  const { code, stderr } = await daemon.kill('SIGTERM')
  assert.equal(code, 0, stderr)
} finally {
  if (!daemon.hasEnded) await daemon.kill('SIGKILL')
}
console.log(`ended\nnode ${process.version}`)
