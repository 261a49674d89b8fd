/** K12: without --noreload the daemon follows the code. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { JobView } from '../../src/daemon/commands.ts'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const DEVELOPMENT = ['--reload', '--workers', '1']

const saying = (what: string, name = 'greet') => `
import { appendFileSync } from 'node:fs'
import { task } from 'ztask'
export const ${name} = task(() => appendFileSync('ran.log', '${what} ' + process.pid + ' ' + Date.now() + '\\n'))
`

const STARTUP = `
import { appendFileSync } from 'node:fs'
export const load = () => appendFileSync('ran.log', 'load ' + process.pid + ' ' + Date.now() + '\\n')
`

test('K12, K13: a change of the code is logged, the next job runs the new code, and onLoad has run before it', async () => {
  const project = await makeProject({
    config: `onLoad: ['./src/startup.ts#load']`,
    files: { 'src/greet.ts': saying('old'), 'src/startup.ts': STARTUP },
  })
  const daemon = await project.daemon(DEVELOPMENT)
  const { greet } = project.calls(['greet'])
  await greet.async()
  await project.hasRun('old')
  project.write('src/greet.ts', saying('new'))
  expect(await daemon.prints(/reloading/)).toContain('"files":["src/greet.ts"]')
  await daemon.prints(/Reloaded: new jobs run generation 2/)
  await greet.async()
  await project.hasRun('new')
  const runs = project.runs()
  const [first, last] = [runs.at(0)?.pid, runs.at(-1)?.pid]
  expect(runs.flatMap(({ what, pid }) => (pid === first ? [what] : []))).toEqual(['load', 'old'])
  expect(runs.flatMap(({ what, pid }) => (pid === last ? [what] : []))).toEqual(['load', 'new'])
})

test('K12: a new task is generated, registered and run, and one that is gone is refused', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('old') } })
  const daemon = await project.daemon(DEVELOPMENT)
  const { greet, wave } = project.calls(['greet', 'wave'])
  await expect(wave.async()).rejects.toMatchObject({ name: 'UnknownTaskError' })
  project.write('src/greet.ts', saying('waved', 'wave'))
  await daemon.prints(/Reloaded/)
  expect(readFileSync(project.path('src/ztask/client.ts'), 'utf8')).toContain("'wave'")
  await wave.async()
  await project.hasRun('waved')
  await expect(greet.async()).rejects.toMatchObject({ name: 'UnknownTaskError' })
})

test('K12: code that cannot be generated from, or loaded, is logged with its place, and the old code goes on', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('old') } })
  const daemon = await project.daemon(DEVELOPMENT)
  const { greet, act } = project.calls(['greet', 'act'])
  const notReloaded = (times: number) =>
    until(`${times} failed reloads`, () => (daemon.stdout.match(/Not reloaded/g)?.length ?? 0) >= times)
  project.write('src/greet.ts', saying('new').replace('greet', 'then'))
  await notReloaded(1)
  project.write('src/startup.ts', '')
  await notReloaded(2)
  expect(daemon.stdout).toMatch(/Not reloaded, the old code goes on: .*src\/greet\.ts:4:/)
  await act.async('return')
  await project.hasRun('done:')
  project.write('src/greet.ts', saying('new'))
  await daemon.prints(/Reloaded/)
  const { id } = await greet.async()
  await project.hasRun('new')
  await until('its row to go', () => project.rows().every((row) => row.id !== id))
  expect(await project.ask<JobView[]>('list')).toEqual([])
})

test('K12: with --noreload nothing is watched: the code stays what it was at the start', async () => {
  const project = await makeProject({ files: { 'src/greet.ts': saying('old') } })
  const daemon = await project.daemon(['--workers', '1'])
  project.write('src/greet.ts', saying('new'))
  const { greet } = project.calls(['greet'])
  await greet.async()
  await until('it to have run', () => project.ran().length === 1)
  expect(await project.ask('status')).toMatchObject({ generation: 1 })
  expect(daemon.stdout).not.toMatch(/reload/i)
})
