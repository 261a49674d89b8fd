/** A daemon whose registry is older than the code says so, and serves. */
import { readFileSync, rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { checkGenerated } from '../../dist/src/daemon/generator.js'
import { processesIn } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const GREET = `
import { task } from 'ztask'
export const greet = task((name: string) => name)
`

test('in production, sources that were not generated from are told with the cure', async () => {
  const project = await makeProject()
  project.write('src/greet.ts', GREET)
  const daemon = await project.daemon(['--noreload'])
  expect(await daemon.prints(/generate --check/)).toMatch(
    /"level":"warn.*Stale: src\/ztask\/client\.ts, src\/ztask\/registry\.ts\. Run ztask generate/,
  )
  await project.client().note.async('served')
  await project.hasRun('served')
})

test('in production, sources that cannot be generated from are told, and hinder nothing', async () => {
  const project = await makeProject()
  project.write('src/greet.ts', GREET.replace('export ', ''))
  const daemon = await project.daemon(['--noreload'])
  expect(await daemon.prints(/generate --check/)).toContain('src/greet.ts:3:7: error: The task')
  await project.client().note.async('served')
  await project.hasRun('served')
})

describe('sources', () => {
  const check = ({ dir }: TestProject) => checkGenerated(dir, new AbortController().signal)

  test('that are those of the registry are not told, nor what they were warned of', async () => {
    const project = await makeProject({
      files: {
        'src/wrapped.ts': "import { task } from 'ztask'\nexport const wrap = (f: () => 1) => task(f)\n",
      },
    })
    expect(await check(project)).toBe(undefined)
  })

  test('may lie beside the client', async () => {
    const project = await makeProject({ config: "output: 'src'" })
    project.write('src/greet.ts', GREET)
    expect(await check(project)).toMatch(/^Stale: src\/client\.ts, src\/registry\.ts\. Run ztask generate/)
  })

  test('are not missed in an image that has none, or none with tasks', async () => {
    const project = await makeProject()
    rmSync(project.path('src/tasks.ts'))
    project.write('src/main.ts', "import { tasks } from './ztask/client.js'\n")
    expect(await check(project)).toBe(undefined)
    rmSync(project.path('src'), { recursive: true })
    expect(await check(project)).toBe(undefined)
  })

  test('whose settings cannot be read are told', async () => {
    const project = await makeProject()
    project.write('tsconfig.json', '{ nonsense')
    expect(await check(project)).toMatch(/tsconfig\.json cannot be read/)
  })
})

test('a daemon that is ended while it generates leaves no process behind', async () => {
  const project = await makeProject()
  // The daemon's own reading of the settings is quick, that of generate lasts longer than this test.
  const config = readFileSync(project.path('ztask.config.ts'), 'utf8')
  project.write(
    'ztask.config.ts',
    `if (process.argv.includes('generate')) await new Promise((resolve) => setTimeout(resolve, 120_000))\n${config}`,
  )
  const daemon = project.launch(['--reload'])
  await until('generate to run', () => processesIn(project.dir).length === 2)
  daemon.child.kill('SIGTERM')
  expect((await daemon.ended).code).toBe(143)
  await until('no process to be left', () => processesIn(project.dir).length === 0)
})

test('a built registry that is older than its source is told at the start and at a reload', async () => {
  const config = `registry: 'built/registry.ts', include: ['src/**/*', 'built/**/*']`
  const project = await makeProject({ config })
  const registry = readFileSync(project.path('src/ztask/registry.ts'), 'utf8')
  const built = registry.replaceAll("'../tasks.js'", "'../src/tasks.js'")
  const older = built.replace(/hash: '\w+'/, "hash: '000000000000'")
  project.write('built/registry.ts', older)
  const daemon = await project.daemon(['--reload'])
  const said = () =>
    daemon.stdout.match(/built\/registry\.ts is older than src\/ztask\/registry\.ts: build again/g)
  expect(said()).toHaveLength(1)
  project.write('built/registry.ts', built)
  await daemon.prints(/Reloaded: new jobs run generation 2/)
  expect(said()).toHaveLength(1)
  project.write('built/registry.ts', older)
  await daemon.prints(/Reloaded: new jobs run generation 3/)
  expect(said()).toHaveLength(2)
})
