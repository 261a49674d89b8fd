/** The same commands where no daemon runs: they read and change the database itself. */
import { beforeAll, expect, test } from 'vitest'
import type { JobView } from '../../src/daemon/commands.ts'
import { type Ended, EXECUTABLE } from '../harness/process.ts'
import { makeProject, shareProject, type TestProject } from '../harness/project.ts'

let project: TestProject
let ids: { waiting: string; scheduled: string; failed: string[] }

beforeAll(async () => {
  project = await shareProject()
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '1'])
  const { act, failOnce, note } = project.client()
  const failed: string[] = []
  for (const what of ['f1', 'f2', 'f3']) {
    failed.push((await failOnce.async(what)).id)
    await project.job(failed.at(-1) ?? '', 'failed')
  }
  const waiting = (await act.async('wait', 'go')).id
  await project.hasRun('wait:go')
  ids = { waiting, scheduled: (await note.after(3600, 's')).id, failed }
  await daemon.kill()
})

/** It is told, and not on stdout, where the answer comes from. */
const fromDatabase = (ended: Ended) =>
  expect(ended.stderr).toBe(`No daemon answers: this is what ${project.path('.ztask/ztask.db')} holds.\n`)

test('status, list and show tell what the database holds; what was running waits', async () => {
  const [status, list, show] = await Promise.all([
    project.ztask('status', '--json'),
    project.ztask('list', '--json'),
    project.ztask('show', ids.waiting),
  ])
  for (const ended of [status, list, show]) fromDatabase(ended)
  expect(JSON.parse(status.stdout)).toMatchObject({
    ...{ waiting: 1, scheduled: 1, running: 0, held: 0, failed: 3 },
    ...{ workers: [], generation: 0, version: '0.1.0' },
  })
  const jobs = JSON.parse(list.stdout) as JobView[]
  expect(jobs.map(({ id, state }) => [id, state])).toEqual([
    [ids.waiting, 'waiting'],
    [ids.scheduled, 'scheduled'],
    ...ids.failed.map((id) => [id, 'failed']),
  ])
  expect(show.stdout).toMatch(/^task +act$/m)
})

test('retry, cancel and delete change it, and a daemon that starts finds it so', async () => {
  const [f1 = '', f2 = '', f3 = ''] = ids.failed
  const retried = await project.ztask('retry', f1)
  fromDatabase(retried)
  expect(retried).toMatchObject({ code: 0, stdout: `${f1}  retried\n` })
  expect(await project.ztask('cancel', ids.scheduled)).toMatchObject({
    code: 0,
    stdout: `${ids.scheduled}  removed\n`,
  })
  expect(await project.ztask('delete', f2, ids.waiting)).toMatchObject({
    code: 1,
    stdout: `${f2}  deleted\n${ids.waiting}  not deleted: it is waiting\n`,
  })
  expect(project.rows().map(({ id, state }) => [id, state])).toEqual([
    [f1, 'queued'],
    [f3, 'failed'],
    [ids.waiting, 'queued'],
  ])
  expect(await project.ztask('delete', '--failed')).toMatchObject({ code: 0, stdout: '1 deleted\n' })
  project.write('go', '')
  const daemon = await project.daemon(['--workers', '1', '--concurrency', '1'])
  await project.job(f1, 'failed')
  expect(project.ran().slice(4)).toEqual(['wait:go', 'done:go', 'f1'])
  await daemon.kill()
})

test('run needs a daemon, and says how to start one', async () => {
  const running = project.start([EXECUTABLE, 'run', 'note', '["x"]'], { ZTASKD_CALL_TIMEOUT: '0.2' })
  const { code, stdout, stderr } = await running.ended
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^No daemon answered at .* note was not sent\. Start one \(npx ztask daemon\)/)
})

test('where there is no database either, a command says that no daemon answers', async () => {
  const fresh = await makeProject()
  const running = fresh.start([EXECUTABLE, 'status'], { ZTASKD_CALL_TIMEOUT: '0.2' })
  const { code, stderr } = await running.ended
  expect(code).toBe(1)
  expect(stderr).toContain('status was not asked. Start one (npx ztask daemon)')
})
