/** The tasks of every golden case, called through the client that generate writes, and run by a daemon. */
import { join } from 'node:path'
import { parse } from 'devalue'
import { expect, test } from 'vitest'
import { TSX } from '../harness/process.ts'
import { TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import type { Runs } from './application.ts'
import { cases, copyCase, run, workspace } from './project.ts'

const APPLICATION = join(import.meta.dirname, 'application.ts')
const OBSERVE = `${join(import.meta.dirname, 'observe.ts')}#observe`

const folder = workspace()

test.concurrent.for(cases())('%s', async (name, { onTestFinished }) => {
  const root = copyCase(name, folder)
  const url = `ipc://${root}/daemon.sock`
  const { tasks, written } = await run(root, 'write', { ZTASKD_URL: url })
  const listed: { default: Runs } = await import(join(root, 'runs.mts'))
  const runs = Object.entries(listed.default)
  // What is not run here is a task of which no more than the type is known to be right.
  expect(runs.map(([task]) => task).sort()).toEqual(tasks)

  const project = new TestProject(root, url)
  onTestFinished(() => project.end())
  await project.daemon(['--workers', '1', '--noreload', '--url', url], { ZTASKD_ON_LOAD: OBSERVE })
  const application = await project.start(['--import', TSX, APPLICATION, written[0] ?? '', 'runs.mts']).ended
  expect(application).toMatchObject({ code: 0, stderr: '' })
  await gone(project, application.stdout.split('\n'))

  const ran = project.ran().map((line) => parse(line))
  for (const [task, [args, ...result]] of runs)
    expect(ran).toContainEqual([task, args, ...(result.length === 0 ? [expect.anything()] : result)])
})

/** Waits until the jobs have succeeded. */
const gone = (project: TestProject, ids: readonly string[]): Promise<boolean> =>
  until('the jobs to be gone', () => {
    const left = project.rows().filter(({ id }) => ids.includes(id))
    expect(left.filter(({ failure }) => failure !== null)).toEqual([])
    return left.length === 0
  })
