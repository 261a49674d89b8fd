/** The tasks of every golden case, called through the client that generate writes, and run by a daemon. */
import { join } from 'node:path'
import { parse } from 'devalue'
import { expect, type TestContext, test } from 'vitest'
import { REPOSITORY, TSX } from '../harness/process.ts'
import { TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import type { Runs } from './application.ts'
import { cases, copyCase, run, workspace } from './project.ts'

const APPLICATION = join(import.meta.dirname, 'application.ts')
const TSC = `${REPOSITORY}node_modules/typescript/bin/tsc`
const OBSERVE = `${join(import.meta.dirname, 'observe.ts')}#observe`

/** How the code of a case is run. */
interface Way {
  /** The client that the application imports. */
  readonly client: string
  /** Options of Node for the application. */
  readonly options: readonly string[]
  /** Of the daemon and of the application. */
  readonly env: Readonly<Record<string, string>>
}

/** Generates a project, of which nothing runs yet. */
const prepare = async (root: string) => {
  const url = `ipc://${root}/daemon.sock`
  const { tasks, written } = await run(root, 'write', { ZTASKD_URL: url })
  const listed: { default: Runs } = await import(join(root, 'runs.mts'))
  // What is not run here is a task of which no more than the type is known to be right.
  expect(Object.keys(listed.default).sort()).toEqual(tasks)
  return {
    project: new TestProject(root, url),
    runs: Object.entries(listed.default),
    client: written[0] ?? '',
  }
}

/** Calls every task and waits until all have run. @returns what ran, as `[task, arguments, result]` */
const runAll = async (project: TestProject, { client, options, env }: Way): Promise<unknown[]> => {
  const flags = ['--workers', '1', '--noreload', '--url', project.url]
  await project.daemon(flags, { ...env, ZTASKD_ON_LOAD: OBSERVE })
  const patient = { ...env, ZTASKD_CALL_TIMEOUT: '30' }
  const application = await project.start([...options, APPLICATION, client, 'runs.mts'], patient).ended
  expect(application).toMatchObject({ code: 0, stderr: '' })
  const ids = application.stdout.split('\n')
  await until('the jobs to succeed', () => {
    const left = project.rows().filter(({ id }) => ids.includes(id))
    expect(left.filter(({ failure }) => failure !== null)).toEqual([])
    return left.length === 0
  })
  return project.ran().map((line) => parse(line))
}

const folder = workspace()

test.concurrent.for(cases())('%s', async (name, { onTestFinished }: TestContext) => {
  const { project, runs, client } = await prepare(copyCase(name, folder))
  onTestFinished(() => project.end())
  // The packages of the monorepo offer their sources under this condition; elsewhere it means nothing.
  const env = { NODE_OPTIONS: '--conditions=acme' }
  const ran = await runAll(project, { client, options: ['--import', TSX], env })
  for (const [task, [args, ...result]] of runs)
    expect(ran).toContainEqual([task, args, ...(result.length === 0 ? [expect.anything()] : result)])
})

test.concurrent('workspace, compiled, by Node alone', async ({ onTestFinished }) => {
  const { project, runs } = await prepare(copyCase('workspace', workspace()))
  onTestFinished(() => project.end())
  expect(await project.start([TSC, '-b']).ended).toMatchObject({ code: 0, stdout: '' })
  // What is there now is no other than what was foreseen.
  expect((await run(project.dir, 'check', { ZTASKD_URL: project.url })).stale).toEqual([])
  const env = { ZTASKD_REGISTRY: 'dist/ztask/registry.js' }
  const ran = await runAll(project, { client: 'dist/ztask/client.js', options: [], env })
  for (const [task, [args, result]] of runs)
    expect(ran).toContainEqual([task, args, String(result).replace('.ts', '.js')])
})
