/** A daemon whose registry is older than the code says so, and serves. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'

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
