/** Exactly what matters is watched: a reload for each change of it, one for many, and none for anything else. */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { logLines, type RunningProcess } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { DEVELOPMENT, saying, TASKS, told } from './code.ts'

const reloads = (daemon: RunningProcess): number =>
  logLines(daemon.stdout).filter(({ msg }) => msg.startsWith('Reloaded')).length

/** What was changed before this one has been acted upon when this one has. */
const marker = async (
  project: Awaited<ReturnType<typeof makeProject>>,
  daemon: RunningProcess,
): Promise<void> => {
  const before = reloads(daemon)
  project.write('src/greet.ts', saying(`marker ${before}`))
  await until('the reload of the marker', () => reloads(daemon) > before)
}

test('B16: what the tasks reach brings a reload, whatever it is and wherever it lies; what they do not reach brings none', async () => {
  const outside = realpathSync(mkdtempSync(join(tmpdir(), 'ztask-outside-')))
  onTestFinished(() => rmSync(outside, { recursive: true }))
  writeFileSync(join(outside, 'far.ts'), "export const far = 'far'\n")
  const reaching = (word: string): string =>
    saying(word).replace(
      'export const greet',
      `import { far } from '${outside}/far.ts'
import near from './near.json' with { type: 'json' }
import required from './required.cjs'
export const reach = task(async () => {
  const { late } = await import('./late.ts')
  say([far, near.near, required.required, late].join())
})
export const greet`,
    )
  const project = await makeProject({
    files: {
      'src/greet.ts': saying('one'),
      'src/reach.ts': reaching('reach').replaceAll(/const (greet|wait|obey|ignore|fail)\b/g, 'const $1Reach'),
      'src/near.json': '{ "near": "near" }',
      'src/required.cjs': "exports.required = 'required'\n",
      'src/late.ts': "export const late = 'late'\n",
      'src/page.tsx': 'export const Page = () => null\n',
      'src/types.ts': 'export interface Nothing {}\n',
    },
  })
  const daemon = await project.daemon(DEVELOPMENT)
  const { reach } = project.calls(['reach'])
  const reaches = async (what: string): Promise<void> => {
    await until(`${what} to be reached`, async () => {
      await reach.async()
      return project.ran().includes(what)
    })
  }
  await reaches('far,near,required,late')
  let count = 0
  const changes: readonly (readonly [path: string, text: string, reached: string])[] = [
    [join(outside, 'far.ts'), "export const far = 'far2'\n", 'far2,near,required,late'],
    [project.path('src/near.json'), '{ "near": "near2" }', 'far2,near2,required,late'],
    [project.path('src/required.cjs'), "exports.required = 'required2'\n", 'far2,near2,required2,late'],
    // It was imported only when the task ran.
    [project.path('src/late.ts'), "export const late = 'late2'\n", 'far2,near2,required2,late2'],
  ]
  for (const [path, text, reached] of changes) {
    writeFileSync(path, text)
    await until(`a reload for ${path}`, () => reloads(daemon) === count + 1)
    count++
    await reaches(reached)
  }
  // As editors do it.
  writeFileSync(project.path('.far.tmp'), "export const late = 'late3'\n")
  renameSync(project.path('.far.tmp'), project.path('src/late.ts'))
  await reaches('far2,near2,required2,late3')
  count = reloads(daemon)
  for (const [file, text] of [
    ['src/page.tsx', 'export const Page = () => 1\n'],
    ['src/types.ts', 'export interface Nothing { readonly more: 1 }\n'],
    ['src/new.ts', 'export const unused = 1\n'],
    ['node_modules/a/index.js', ''],
    ['.ztask/anything.ts', ''],
    ['README.md', ''],
  ] as const)
    project.write(file, text)
  await marker(project, daemon)
  expect(reloads(daemon)).toBe(count + 1)
  expect(logLines(daemon.stdout).findLast(({ msg }) => msg.includes('changed: reloading'))?.files).toContain(
    'src/greet.ts',
  )
})

test('a save of a module that computes as it is imported, and is not known yet to matter, is not lost', async () => {
  const late = (word: string): string => `
import { existsSync, writeFileSync } from 'node:fs'
writeFileSync('importing', '')
while (!existsSync('saved')) {}
export const late = '${word}'
`
  const reaching = saying('one').replace("say('one')", "import('./late.ts').then(({ late }) => say(late))")
  const project = await makeProject({ files: { 'src/greet.ts': reaching, 'src/late.ts': late('late') } })
  const daemon = await project.daemon([...DEVELOPMENT, '--loglevel', 'DEBUG'])
  const { greet } = project.calls(TASKS)
  await greet.async()
  await until('it to be imported', () => project.exists('importing'))
  project.write('src/late.ts', late('saved'))
  await told(daemon, /Generating/, 2)
  // They are looked at in turn: when it comes to this one, the first has been found not to matter.
  project.write('src/unused.ts', 'export const unused = 1\n')
  await told(daemon, /Generating/, 3)
  project.write('saved', '')
  await told(daemon, /Reloaded/)
  await greet.async()
  await project.hasRun('saved')
})

test('a checkout of 2,000 files, and an installation, are one reload each; a task that came and one that went are known', async () => {
  const project = await makeProject({
    files: {
      'src/greet.ts': saying('one'),
      'src/gone.ts': saying('x').replaceAll(/const (greet|wait|obey|ignore|fail)\b/g, 'const $1Gone'),
    },
  })
  const daemon = await project.daemon(DEVELOPMENT)
  mkdirSync(project.path('src/many'))
  for (let i = 0; i < 2000; i++) {
    project.write(`src/many/file${i}.ts`, `export const value = ${i}\n`)
    // It takes git a while, too.
    if (i % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  project.write(
    'src/came.ts',
    saying('came').replaceAll(/const (greet|wait|obey|ignore|fail)\b/g, 'const $1Came'),
  )
  project.write('src/greet.ts', saying('two'))
  project.remove('src/gone.ts')
  await told(daemon, /Reloaded/)
  const { greetCame, greetGone } = project.calls(['greetCame', 'greetGone'])
  await until('the new task to be known', () =>
    greetCame.async().then(
      () => true,
      () => false,
    ),
  )
  await project.hasRun('came')
  await expect(greetGone.async()).rejects.toMatchObject({ name: 'UnknownTaskError' })
  const after = reloads(daemon)
  for (let i = 0; i < 500; i++) project.write(`node_modules/p${i}/index.js`, '')
  project.write('package.json', '{ "name": "fixture", "type": "module", "dependencies": {} }')
  await told(daemon, /Reloaded/, after + 1)
  await marker(project, daemon)
  expect(reloads(daemon)).toBe(after + 2)
  // The whole checkout was one, or its first files and the rest.
  expect(after).toBeLessThanOrEqual(2)
})

test('settings, tsconfig.json and the files of variables are followed; what only a restart can change is told, with the reason', async () => {
  const project = await makeProject({
    files: {
      'src/greet.ts': saying('one').replace("say('one')", 'say(process.env.WORD + process.env.OTHER)'),
    },
  })
  // What the environment has is its own, though the file says the same for a while.
  project.write('word.env', 'WORD=first\nOTHER=environment\n')
  const daemon = await project.daemon([...DEVELOPMENT, '--env-file', 'word.env'], { OTHER: 'environment' })
  const { greet } = project.calls(TASKS)
  await greet.async()
  await project.hasRun('firstenvironment')
  project.write('word.env', 'WORD=second\nOTHER=file\n')
  await told(daemon, /Reloaded/)
  await greet.async()
  await project.hasRun('secondenvironment')
  project.write('tsconfig.json', '{ "compilerOptions": { "module": "nodenext" } }')
  await told(daemon, /Reloaded/, 2)
  project.write(
    'src/startup.ts',
    "import { writeFileSync } from 'node:fs'\nexport const load = () => writeFileSync('has-loaded', '')\n",
  )
  project.write(
    'ztask.config.ts',
    `export default { url: 'tcp://127.0.0.1:1', database: 'sqlite:other.db', onLoad: ['./src/startup.ts#load'], retryCount: 0 }\n`,
  )
  await told(daemon, /Reloaded/, 3)
  expect(project.exists('has-loaded')).toBe(true)
  expect(daemon.stdout).toContain(
    'url is now \\"tcp://127.0.0.1:1\\", which needs a restart of the daemon: its socket is bound.',
  )
  expect(daemon.stdout).toContain(
    'database is now \\"sqlite:other.db\\", which needs a restart of the daemon: it holds the other database, with its jobs.',
  )
  // It serves where it did.
  await greet.async()
  await project.hasRun('secondenvironment', 2)
})

test('what the configuration imports is followed as it is itself, and the variables that it asks for are those of now', async () => {
  const project = await makeProject({
    files: {
      'src/greet.ts': saying('one'),
      'conf/include.ts': "export const include = ['src/**/*']\n",
      'more/came.ts': saying('came').replaceAll(/const (greet|wait|obey|ignore|fail)\b/g, 'const $1Came'),
    },
  })
  const config = (more = ''): string => `import { include } from './conf/include.ts'
${more}
export default { url: '${project.url}', include, callTimeout: Number(process.env.PATIENCE) }
`
  project.write('ztask.config.ts', config())
  project.write('patience.env', 'PATIENCE=5\n')
  const daemon = await project.daemon([...DEVELOPMENT, '--env-file', 'patience.env'])
  project.write('conf/include.ts', "export const include: string[] = ['src/**/*', 'more/**/*']\n")
  await told(daemon, /Reloaded/)
  const { greetCame } = project.calls(['greetCame'])
  await greetCame.async()
  await project.hasRun('came')
  project.write('patience.env', 'PATIENCE=6\n')
  await told(daemon, /callTimeout is now 6, which needs a restart of the daemon/)
  await told(daemon, /Reloaded/, 2)
  // Also in the process that generates, which had begun with those of then.
  expect(project.read('src/ztask/client.ts')).toContain('callTimeout: 6')
  // It is known only when it is read, and does not load.
  project.write('conf/broken.ts', 'export const broken = (\n')
  project.write('ztask.config.ts', config("import './conf/broken.ts'"))
  await told(daemon, /Not reloaded.* \(conf\/broken\.ts:/)
  project.write('conf/broken.ts', 'export const broken = 1\n')
  await told(daemon, /Reloaded/, 3)
  // What it reads by itself nobody knows: who has changed that asks for a reload.
  project.write('patience.json', '7')
  const reading =
    "import { readFileSync } from 'node:fs'\nconst patience = readFileSync('patience.json', 'utf8')"
  project.write('ztask.config.ts', config(reading).replace('process.env.PATIENCE', 'patience'))
  await told(daemon, /callTimeout is now 7/)
  await told(daemon, /Reloaded/, 4)
  project.write('patience.json', '8')
  expect(await project.ztask('reload')).toMatchObject({ code: 0 })
  expect(daemon.stdout).toMatch(/callTimeout is now 8/)
})

test('settings that are saved while a daemon starts, after it has read them, are read again', async () => {
  const project = await makeProject({
    files: { 'src/greet.ts': saying('one'), 'conf/patience.ts': 'export default 5\n' },
  })
  project.write(
    'ztask.config.ts',
    `import { existsSync, writeFileSync } from 'node:fs'
import callTimeout from './conf/patience.ts'
if (!existsSync('saved')) for (const file of ['saved', 'conf/patience.ts']) writeFileSync(file, 'export default 6')
export default { url: '${project.url}', callTimeout }
`,
  )
  const daemon = await project.daemon(DEVELOPMENT)
  await told(daemon, /callTimeout is now 6/)
})
