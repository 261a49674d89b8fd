/** What a daemon that dies leaves under way, and what its next start makes of it. */
import { expect, test } from 'vitest'
import { processesIn } from '../harness/process.ts'
import type { TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'
import { deedsProject, TASKS } from './deeds.ts'

const marked = (project: TestProject, mark: string, count: number): Promise<unknown> =>
  until(`${count} to be ${mark}`, () => project.rows().filter((row) => row.mark === mark).length === count)

/** As where a container ends: the daemon and its workers at once. */
const killAll = async (project: TestProject): Promise<void> => {
  for (const pid of processesIn(project.dir)) process.kill(pid, 'SIGKILL')
  await until('all to be gone', () => processesIn(project.dir).length === 0)
}

test('B12: one that was marked alone is charged; one that was not marked is not', async () => {
  const project = await deedsProject()
  await project.daemon(['--workers', '1', '--concurrency', '1'])
  const { once } = project.calls(TASKS)
  const alone = await once.async('forever', 'x')
  const waiting = await once.async('return', 'y')
  await marked(project, 'started', 1)
  await killAll(project)
  await project.daemon()
  const job = await project.job(alone.id, 'failed')
  expect(job).toMatchObject({ attempts: 1, failure: { name: 'DaemonDied' } })
  await until('the other to have succeeded', () => project.rows().every(({ id }) => id !== waiting.id))
})

test('B12: several are suspects: they run one at a time, and only the one that kills again is charged', async () => {
  const project = await deedsProject()
  const flags = ['--workers', '2', '--concurrency', '5']
  await project.daemon(flags)
  const { once } = project.calls(TASKS)
  const innocent = await Promise.all(['a', 'b'].map((name) => once.async('wait', name)))
  // It lives long enough to be marked beside the others.
  const culprit = await once.async('kill-master', 'after-go')
  const others = await Promise.all(['c', 'd'].map((name) => once.async('wait', name)))
  await marked(project, 'started', 5)
  project.write('after-go', '')
  await until('the daemon and its workers to be gone', () => processesIn(project.dir).length === 0)

  const second = await project.daemon(flags)
  await second.prints(/5 jobs under way: they run again one at a time/)
  await marked(project, 'trial', 1)
  expect(project.rows().map((row) => row.mark)).toEqual(['trial', 'suspect', 'suspect', 'suspect', 'suspect'])
  // What is no suspect does not wait for them.
  await once.async('return', 'fresh')
  await project.hasRun('done:fresh')
  for (const name of ['a', 'b', 'c', 'd']) project.write(name, '')
  // It kills this daemon, too.
  await until('the daemon to be gone', () => second.hasEnded)

  await project.daemon(flags)
  const job = await project.job(culprit.id, 'failed')
  expect(job).toMatchObject({ attempts: 1, failure: { name: 'DaemonDied' } })
  const rest = [...innocent, ...others].map(({ id }) => id)
  await until('the others to have succeeded', () => project.rows().every(({ id }) => !rest.includes(id)))
})

test('one beside which a cancelled one was under way is a suspect, and pays nothing', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '5', '--kill-grace', '60'])
  const { once } = project.calls(TASKS)
  await once.async('wait', 'go')
  const other = await once.async('forever', 'x')
  await marked(project, 'started', 2)
  expect(await other.cancel()).toBe('signalled')
  await daemon.kill('SIGKILL')
  project.write('go', '')
  await project.daemon()
  await until('both to be gone, none of them failed', () => project.rows().length === 0)
})

test('a daemon that ends in order leaves no marks', async () => {
  const project = await deedsProject()
  const daemon = await project.daemon(['--shutdown-timeout', '0.2'])
  const { once } = project.calls(TASKS)
  await once.async('forever', 'x')
  await once.async('forever', 'y')
  await marked(project, 'started', 2)
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  expect(project.rows().map(({ mark, attempts }) => [mark, attempts])).toEqual([
    [null, 0],
    [null, 0],
  ])
})
