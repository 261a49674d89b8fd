/** Projects of every kind, after the manner of: generated, type-checked, and their tasks run, with nothing configured. */
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { EXECUTABLE, type RunningProcess, TSX } from '../harness/process.ts'
import { copyProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const PROJECTS = resolve(import.meta.dirname, '../fixtures/projects')
const TSC = resolve(import.meta.dirname, '../../node_modules/typescript/bin/tsc')

const kind = (name: string, below?: string) => copyProject(join(PROJECTS, name), below)

/** Runs a program of the project that must succeed. @returns what it said on stderr */
const runs = async (running: RunningProcess): Promise<string> => {
  const { code, stdout, stderr } = await running.ended
  expect(code, stdout + stderr).toBe(0)
  return stderr
}

const generated = async (project: TestProject): Promise<void> => {
  expect(await runs(project.start([EXECUTABLE, 'generate']))).toBe('')
}

const compiled = (project: TestProject, ...argv: string[]): Promise<string> =>
  runs(project.start([TSC, ...argv]))

test('a Next app: path aliases, JSX, no extensions; its action bundled', async () => {
  const project = await kind('next')
  await generated(project)
  await compiled(project, '-p', '.')
  await project.daemon()
  const entry = project.path('src/app/actions.ts')
  const outfile = project.path('.next/actions.mjs')
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['ztask'],
  })
  project.write('serve.mjs', "import { join } from './.next/actions.mjs'\nawait join('ada')\n")
  await runs(project.start(['serve.mjs']))
  await project.hasRun('welcome:kind:ada')
})

test('a CommonJS service: run from its sources, and as it is compiled', async () => {
  const project = await kind('commonjs-service')
  await generated(project)
  await compiled(project)
  const daemon = await project.daemon()
  await runs(project.start(['--import', TSX, 'src/main.ts', 'may']))
  await project.hasRun('report:may:report')
  await daemon.kill('SIGTERM')
  await project.daemon([], { ZTASKD_REGISTRY: 'dist/ztask/registry.js' })
  await runs(project.start(['dist/main.js', 'june']))
  await project.hasRun('report:june:report')
})

test('plain JavaScript, without a tsconfig.json', async () => {
  const project = await kind('javascript')
  await generated(project)
  await project.daemon()
  await runs(project.start(['src/main.js', 'plain']))
  await project.hasRun('note:plain')
})

test('a package of a monorepo with references: composite, its settings in a file that it extends', async () => {
  const project = await kind('monorepo', 'packages/jobs')
  mkdirSync(project.path('../../node_modules/@mono'))
  symlinkSync(project.path('../core'), project.path('../../node_modules/@mono/core'))
  await generated(project)
  await compiled(project, '-b', '../..')
  const daemon = await project.daemon()
  await runs(project.start(['--import', TSX, 'src/main.ts', 'sources']))
  await project.hasRun('built:sources')
  await daemon.kill('SIGTERM')
  await project.daemon([], { ZTASKD_REGISTRY: 'dist/ztask/registry.js' })
  await runs(project.start(['dist/main.js', 'dist']))
  await project.hasRun('built:dist')
})

test('a Nest app: workers load what was compiled, in development again when it is compiled anew', async () => {
  const project = await kind('nest')
  expect(await runs(project.start([EXECUTABLE, 'generate']))).toContain(
    'tsconfig.json:9:5: warning: Workers load TypeScript by tsx, which emits no decorator metadata',
  )
  const refused = await project.launch().ended
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/emitDecoratorMetadata.*dist\/ztask.*Build the project first/)
  await compiled(project)
  const daemon = await project.daemon(['--reload'])
  await runs(project.start(['dist/main.js', 'ada']))
  await project.hasRun('sent:ada')
  const service = readFileSync(project.path('src/mail.service.ts'), 'utf8')
  project.write('src/mail.service.ts', service.replace('sent:', 'sent again:'))
  await compiled(project)
  // The source reloads it once, the compiled file once more, or both at once.
  await until('the new code to run', async () => {
    await runs(project.start(['dist/main.js', 'ada']))
    return project.ran().includes('sent again:ada')
  })
  expect(daemon.stdout).toMatch(/"files":\["dist\/[^"]*"/)
})

test('a Nest app: a loader of its own gives workers the metadata', async () => {
  const project = await kind('nest')
  project.write('ztask.config.ts', "export default { loader: './loader.mjs' }\n")
  await generated(project)
  await project.daemon()
  await runs(project.start(['--import', TSX, 'src/main.ts', 'ada']))
  await project.hasRun('sent:ada')
})
