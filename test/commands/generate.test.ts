/** `ztask generate` as a process: what it prints, and how it ends. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { EXECUTABLE } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const TASK = "import { task } from 'ztask'\n"
const WRAPPED = 'export const wrap = (fn: () => number) => task(fn)\n'

const registry = (project: TestProject): string => {
  const file = project.path('src/ztask/registry.ts')
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}

test('--check shows the difference on stdout, the reason on stderr, and exits 1', async () => {
  const project = await makeProject()
  expect(await project.ztask('generate', '--check')).toMatchObject({ code: 0, stderr: '' })
  project.write('src/more.ts', `${TASK}export const more = task((n: number) => n)\n`)
  const { code, stdout, stderr } = await project.ztask('generate', '--check')
  expect(code).toBe(1)
  expect(stderr).toBe(
    'Stale: src/ztask/client.ts, src/ztask/registry.ts. Run ztask generate and commit the result.\n',
  )
  expect(stdout).toContain('--- a/src/ztask/registry.ts\n+++ b/src/ztask/registry.ts\n')
  const { added, removed } = changedLines(stdout.slice(stdout.indexOf('+++ b/src/ztask/registry.ts')))
  expect(added.join()).toContain("    more: { load: () => import('../more.js'), export: 'more' },")
  expect(removed.join()).not.toContain('load:')
  rmSync(project.path('src/ztask/client.ts'))
  expect((await project.ztask('generate', '--check')).stdout).toContain(
    '--- /dev/null\n+++ b/src/ztask/client.ts\n',
  )
})

const changedLines = (diff: string): { added: string[]; removed: string[] } => {
  const lines = diff.split('\n').slice(1)
  const of = (sign: string): string[] =>
    lines.filter((line) => line.startsWith(sign)).map((line) => line.slice(1))
  return { added: of('+'), removed: of('-') }
}

test('--json holds tasks, files and problems, and is all of stdout', async () => {
  const project = await makeProject()
  project.write('src/wrapped.ts', TASK + WRAPPED)
  project.write('src/more.ts', `${TASK}export const more = task((n: number) => n)\n`)
  const stale = await project.ztask('generate', '--check', '--json')
  expect(stale).toMatchObject({ code: 1, stderr: '' })
  expect(JSON.parse(stale.stdout)).toMatchObject({
    written: [],
    stale: [
      { file: 'src/ztask/client.ts', diff: expect.stringContaining('+++ b/src/ztask/client.ts') },
      { file: 'src/ztask/registry.ts', diff: expect.stringContaining('+++ b/src/ztask/registry.ts') },
    ],
  })
  const done = await project.json<{ tasks: string[]; written: string[]; problems: unknown[] }>('generate')
  expect(done.tasks).toContain('more')
  expect(done).toMatchObject({ written: ['src/ztask/client.ts', 'src/ztask/registry.ts'], stale: [] })
  expect(done.problems).toMatchObject([
    { code: 'wrapped', severity: 'warning', file: 'src/wrapped.ts', line: 2 },
  ])

  project.write('src/lost.ts', `${TASK}const lost = task(() => 1)\n`)
  const refused = await project.ztask('generate', '--json')
  expect(refused).toMatchObject({ code: 1, stderr: '' })
  expect(JSON.parse(refused.stdout)).toEqual({
    tasks: [],
    written: [],
    stale: [],
    problems: [
      {
        file: 'src/lost.ts',
        line: 2,
        column: 7,
        code: 'not-exported',
        severity: 'error',
        message: "The task 'lost' is not exported.",
        cure: 'Write `export const lost = task(…)`: workers import it by that name.',
        frame: '2 | const lost = task(() => 1)\n  |       ^^^^',
      },
      expect.objectContaining({ code: 'wrapped' }),
    ],
    error: null,
  })

  project.write('tsconfig.json', '{ nonsense')
  const broken = await project.ztask('generate', '--json')
  expect(broken).toMatchObject({ code: 1, stderr: '' })
  expect(JSON.parse(broken.stdout)).toMatchObject({
    problems: [],
    error: { code: 'ZTASK_CONFIG', message: expect.stringContaining('tsconfig.json cannot be read') },
  })
})

test('warnings go to stderr, and a daemon logs them', async () => {
  const project = await makeProject({ files: { 'src/wrapped.ts': TASK + WRAPPED } })
  const { code, stderr } = await project.ztask('generate')
  expect(code).toBe(0)
  expect(stderr).toContain(
    'src/wrapped.ts:2:43: warning: A task is defined inside a function, and is not found. [wrapped]\n',
  )
  const daemon = await project.daemon(['--reload'])
  expect(await daemon.prints(/"level":"warn".*ztask generate: src\/wrapped\.ts:2:43/)).toContain('[wrapped]')
})

test('--watch writes after each save, lives through errors, and follows the settings', async () => {
  const project = await makeProject()
  const watching = project.start([EXECUTABLE, 'generate', '--watch'])
  await watching.prints(/nothing changed/)
  const save = (file: string, code: string): void => project.write(file, TASK + code)

  save('src/more.ts', 'export const more = task(() => 1)\n')
  await until('the new task in the registry', () => registry(project).includes('more:'))
  save('src/more.ts', 'const lost = task(() => 1)\n')
  await until('the error', () => watching.stderr.includes('src/more.ts:2:7: error:'))
  save('src/more.ts', 'export const mended = task(() => 1)\n')
  await until(
    'the mended task',
    () => registry(project).includes('mended:') && !registry(project).includes('more:'),
  )

  const config = readFileSync(project.path('ztask.config.ts'), 'utf8')
  writeFileSync(project.path('ztask.config.ts'), 'export default {{{\n')
  await until('the error of the settings', () => watching.stderr.includes('ztask.config.ts cannot be loaded'))
  // As editors do: a new file takes the place of the old one.
  project.write('new.config', config.replace('defineConfig({', "defineConfig({ output: 'src/made',"))
  renameSync(project.path('new.config'), project.path('ztask.config.ts'))
  await until('the other output', () => existsSync(project.path('src/made/registry.ts')))
  project.write('output.ts', "export const output = 'src/imported'\n")
  project.write(
    'ztask.config.ts',
    `import { output } from './output.ts'\n${config.replace('defineConfig({', 'defineConfig({ output,')}`,
  )
  await until('the imported output', () => existsSync(project.path('src/imported/registry.ts')))
  project.write('output.ts', "export const output = 'src/again'\n")
  await until('the output that was imported again', () => existsSync(project.path('src/again/registry.ts')))
  expect(watching.hasEnded).toBe(false)
  await watching.kill('SIGTERM')
})

test('--watch follows what is read outside `include` too', async () => {
  const project = await makeProject()
  project.write('constants/retries.ts', 'export const RETRIES = 11\n')
  project.write('base.json', '{ "compilerOptions": { "paths": { "@/*": ["./src/*"] } } }')
  project.write('tsconfig.json', '{ "extends": "./base.json" }')
  project.write(
    'src/more.ts',
    `${TASK}import { RETRIES } from '../constants/retries.js'\nexport const more = task({ retryCount: RETRIES }, () => 1)\n`,
  )
  project.write('src/queue.ts', "export { task as job } from 'ztask'\n")
  project.write('src/far.ts', "import { job } from '#/queue'\nexport const far = job(() => 1)\n")
  const watching = project.start([EXECUTABLE, 'generate', '--watch'])
  await until('the first constant', () => registry(project).includes('retryCount: 11'))
  await watching.prints(/tasks: wrote/)
  project.write('constants/retries.ts', 'export const RETRIES = 12\n')
  await until('the second constant', () => registry(project).includes('retryCount: 12'))
  project.write('base.json', '{ "compilerOptions": { "paths": { "#/*": ["./src/*"] } } }')
  await until('the task behind the new alias', () => registry(project).includes('far:'))
  await watching.kill('SIGTERM')
})

test('--watch and --check exclude each other', async () => {
  const project = await makeProject()
  const { code, stderr } = await project.ztask('generate', '--watch', '--check')
  expect(code).toBe(2)
  expect(stderr).toContain("option '--check' cannot be used with option '--watch'")
})
