/** A worker in a loop that never ends: it delays only its own jobs, and it ends with its master. */
import { expect, test } from 'vitest'
import { isAlive, processesIn } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

const spinning = async (project: TestProject): Promise<number> => {
  await project.client().act.async('spin')
  await project.hasRun('spin:')
  return project.runs().find(({ what }) => what === 'spin:')?.pid ?? 0
}

test('B5: while a task blocks its worker, calls are stored, timers fire and other workers run jobs', async () => {
  const project = await makeProject()
  await project.daemon(['--workers', '2', '--concurrency', '1'])
  const stuck = await spinning(project)
  const { note } = project.client()
  await Promise.all([note.async('now'), note.after(0.2, 'soon')])
  await project.hasRun('now')
  await project.hasRun('soon')
  await until('their rows to go', () => project.rows().length === 1)
  expect(await project.ask('status')).toMatchObject({ waiting: 0, scheduled: 0, running: 1, failed: 0 })
  expect(isAlive(stuck)).toBe(true)
})

test('No worker survives a master that is killed, not from a busy loop either', async () => {
  const project = await makeProject()
  const daemon = await project.daemon(['--workers', '2'])
  const stuck = await spinning(project)
  expect(processesIn(project.dir)).toContain(stuck)
  await daemon.kill('SIGKILL')
  await until(`the workers to end, ${stuck} too`, () => processesIn(project.dir).length === 0)
  expect(project.rows()).toMatchObject([{ task: 'act', state: 'queued', attempts: 0 }])
})
