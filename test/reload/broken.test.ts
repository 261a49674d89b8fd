/** A save that is broken changes nothing: the old code goes on, it is said once where, and the next good one heals it. */
import { expect, test } from 'vitest'
import { logLines, processesIn } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { commandOf, DEVELOPMENT, saying, statusOf, TASKS, told } from './code.ts'

const STARTUP = 'export const load = () => {}\n'

/** It imports what no task is in. */
const good = (time: number): string =>
  `import { price } from './lib/price.ts'\nvoid price\n${saying(`good ${time}`)}`

const make = () =>
  makeProject({
    config: "onLoad: ['./src/startup.ts#load']",
    files: {
      'src/greet.ts': saying('one'),
      'src/startup.ts': STARTUP,
      'src/lib/price.ts': 'export const price = 1\n',
    },
  })

test('whatever is broken, the place and its line are shown once, the old code goes on, and it heals', async () => {
  const project = await make()
  const daemon = await project.daemon(['--reload', '--workers', '2'])
  const { greet } = project.calls(TASKS)
  const faults: readonly (readonly [file: string, text: string, good: string, said: RegExp])[] = [
    [
      'src/greet.ts',
      `${saying('two')}\nconst broken = (\n`,
      good(0),
      /^2 problems|^1 problem[\s\S]*src\/greet\.ts:\d+:\d+: error: [\s\S]*\n {2}\d+ \| /,
    ],
    // What the tasks import is no source of generate's: the workers find it.
    [
      'src/lib/price.ts',
      'export const price = (\n',
      'export const price = 2\n',
      /src\/lib\/price\.ts:2:1: SyntaxError: [\s\S]*\n {2}2 \| /,
    ],
    [
      'src/greet.ts',
      `import { price } from './lib/price.ts'\nif (price > 0) throw new RangeError('too dear')\n${saying('two')}`,
      good(2),
      /src\/greet\.ts:2:22: RangeError: too dear\n {2}2 \| if \(price > 0\) throw new RangeError\('too dear'\)\n {4}\| {22}\^\n {2}at .*src\/greet\.ts:2:22/,
    ],
    [
      'src/greet.ts',
      `import './nowhere.js'\n${saying('two')}`,
      good(3),
      /Cannot find module '.*nowhere\.js' imported from .*greet\.ts/,
    ],
    [
      'src/startup.ts',
      "export const load = () => {\n  throw new Error('no database')\n}\n",
      STARTUP,
      /src\/startup\.ts:2:9: Error: no database\n {2}2 \| {3}throw new Error/,
    ],
    ['ztask.config.ts', 'export default { url: 7 }\n', '', /url in ztask\.config\.ts is 7: it must be/],
  ]
  // So that the file is one that the workers have loaded.
  project.write('src/greet.ts', good(-1))
  await told(daemon, /Reloaded/)
  let count = 0
  const config = project.read('ztask.config.ts')
  for (const [file, text, good, said] of faults) {
    project.write(file, text)
    const lines = await told(daemon, /Not reloaded, the old code goes on/, ++count)
    const { msg } = JSON.parse(lines.at(-1) ?? '') as { msg: string }
    expect(
      msg
        .replace('Not reloaded, the old code goes on: ', '')
        .replace('The workers cannot load the code: ', ''),
    ).toMatch(said)
    // Commands read that file, too.
    if (good !== '')
      expect((await statusOf(project)).notReloaded?.message).toContain(msg.slice(msg.indexOf(': ') + 2, 200))
    const before = project.ran().length
    await greet.async()
    await until('it to run', () => project.ran().length > before)
    expect(project.ran().at(-1)).toMatch(/^good|^one/)
    project.write(file, good === '' ? config : good)
    await told(daemon, /"msg":"Reloaded/, count + 1)
    expect((await statusOf(project)).notReloaded).toBe(null)
  }
  // Once each, whatever the number of workers.
  const refusals = logLines(daemon.stdout).filter(({ msg }) => msg.startsWith('Not reloaded'))
  expect(refusals).toHaveLength(faults.length)
  expect(project.rows()).toEqual([])
})

test('at the first start a task whose module throws is told, fails its own jobs alone, and a save heals it', async () => {
  const project = await makeProject({
    files: {
      'src/greet.ts': `${saying('one')}\nthrow new Error('on import')\n`,
      'src/other.ts': saying('x').replaceAll(/const (greet|wait|obey|ignore|fail)\b/g, 'const $1Other'),
    },
  })
  const daemon = await project.daemon(['--reload', '--workers', '2'])
  const { greet, greetOther } = project.calls(['greet', 'greetOther'])
  const line = await told(daemon, /does not load, and its jobs fail/)
  expect(line.join()).toMatch(/src\/greet\.ts:\d+:7: Error: on import/)
  const { id } = await greet.async()
  expect(await project.job(id, 'failed')).toMatchObject({ failure: { message: 'on import' } })
  await greetOther.async()
  await project.hasRun('x')
  project.write('src/greet.ts', saying('healed'))
  await told(daemon, /Reloaded/)
  await greet.async()
  await project.hasRun('healed')
  // Of both workers and of five tasks: one cause, one line.
  expect(logLines(daemon.stdout).filter(({ msg }) => msg.includes('does not load'))).toHaveLength(1)
})

test('at the first start a module that ends its process keeps nobody else from running, and its own job pays', async () => {
  const deadly = saying('deadly').replaceAll(/const (greet|wait|obey|ignore|fail)\b/g, 'const $1Deadly')
  const project = await makeProject({
    files: {
      'src/greet.ts': saying('one'),
      'src/deadly.ts': `${deadly}\nif (existsSync('deadly')) process.exit(3)\n`,
    },
  })
  project.write('deadly', '')
  const daemon = await project.daemon(['--workers', '1'])
  await told(daemon, /The module of \w+Deadly ended a worker as it was imported/)
  const { greet, greetDeadly } = project.calls(['greet', 'greetDeadly'])
  await greet.async()
  await project.hasRun('one')
  const { id } = await greetDeadly.async()
  expect(await project.job(id, 'failed')).toMatchObject({ failure: { name: 'WorkerDied' } })
  await greet.async()
  await project.hasRun('one', 2)
})

test('--typecheck tells what the compiler says of each change, and that it is mended; jobs run meanwhile', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('one') } })
  project.write(
    'tsconfig.json',
    '{ "compilerOptions": { "module": "nodenext", "target": "es2024", "strict": true, "skipLibCheck": true, "types": ["node"] }, "include": ["src"] }',
  )
  project.link(['typescript', '@types/node'])
  const daemon = await project.daemon([...DEVELOPMENT, '--typecheck'])
  await told(daemon, /The types hold/)
  const { greet } = project.calls(TASKS)
  project.write('src/greet.ts', `${saying('two')}\nexport const wrong: number = 'text'\n`)
  const [line] = await told(daemon, /The types do not hold; jobs run all the same/)
  expect(line).toMatch(/src\/greet\.ts\(\d+,14\): error TS2322/)
  await greet.async()
  await project.hasRun('two')
  project.write('src/greet.ts', saying('three'))
  await told(daemon, /The types hold/, 2)
})

test('--typecheck sees the client of the change, however long that takes to be generated', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('one') } })
  project.write('node_modules/typescript/package.json', '{ "name": "typescript" }')
  project.write(
    'node_modules/typescript/bin/tsc',
    "process.exit(require('node:fs').readFileSync('src/ztask/client.ts', 'utf8').includes('hail') ? 0 : 1)",
  )
  const daemon = await project.daemon([...DEVELOPMENT, '--typecheck'])
  await told(daemon, /The types do not hold/)
  // The next begins anew, which takes longer than a compiler takes to start.
  const generator = processesIn(project.dir).find((pid) => commandOf(pid).includes('codegen/serve')) ?? 0
  process.kill(generator, 'SIGKILL')
  await until('it to be gone', () => !processesIn(project.dir).includes(generator))
  project.write('src/greet.ts', saying('two').replace('const greet', 'const hail'))
  await told(daemon, /Reloaded/)
  await told(daemon, /The types hold/)
  expect(daemon.stdout.match(/The types do not hold/g)).toHaveLength(1)
})

test('--typecheck without a compiler does not start, and says how to get one', async () => {
  const project = await makeProject()
  const ended = await project.launch(['--reload', '--typecheck']).ended
  expect(ended).toMatchObject({ code: 1 })
  expect(ended.stderr).toMatch(
    /--typecheck runs the project's own compiler, and there is none.*npm install --save-dev typescript/,
  )
})
