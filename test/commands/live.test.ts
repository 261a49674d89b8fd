/** The commands that look and change, answered by a daemon that runs. */
import { beforeAll, expect, test } from 'vitest'
import type { JobView } from '../../src/daemon/commands.ts'
import { processesIn, type RunningProcess } from '../harness/process.ts'
import { shareProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

let project: TestProject
let daemon: RunningProcess
/** One job in each state. */
let ids: { running: string; waiting: string; scheduled: string; failed: string; held: string }

beforeAll(async () => {
  project = await shareProject({ config: `unknownTask: 'hold'` })
  daemon = await project.daemon(['--workers', '1', '--concurrency', '1'])
  const { act, failOnce, note, later } = project.calls(['act', 'failOnce', 'note', 'later'])
  const failed = (await failOnce.async('f')).id
  await until('it to have failed', () => project.rows()[0]?.state === 'failed')
  const running = (await act.async('wait', 'go')).id
  await project.hasRun('wait:go')
  const waiting = (await note.async('w')).id
  const scheduled = (await note.after(3600, 's')).id
  ids = { running, waiting, scheduled, failed, held: (await later.async('h', 1)).id }
})

test('status counts the jobs, one in each state, and knows the workers', async () => {
  const [status, text] = await Promise.all([
    project.json<Record<string, unknown>>('status'),
    project.ztask('status'),
  ])
  const worker = { pid: expect.any(Number), generation: 1, running: 1 }
  expect(status).toMatchObject({ waiting: 1, scheduled: 1, running: 1, held: 1, failed: 1 })
  expect(status).toMatchObject({ workers: [worker], generation: 1, version: '0.1.0', pid: daemon.pid })
  const [{ pid }] = status.workers as [{ pid: number }]
  expect(processesIn(project.dir)).toContain(pid)
  expect(text).toMatchObject({ code: 0, stderr: '' })
  expect(text.stdout.replace(/loaded .* ago/, 'loaded … ago').split('\n')).toEqual([
    'waiting    1',
    'scheduled  1',
    'running    1',
    'held       1',
    'failed     1',
    'generation 1: loaded … ago, 1 workers, 1 running, gets new jobs',
    `worker ${pid}: generation 1, 1 running`,
    '',
  ])
})

test('list shows all jobs, or those of one state, as many as are asked for', async () => {
  const states = ['waiting', 'scheduled', 'running', 'held', 'failed'] as const
  const [all, two, text, ...each] = await Promise.all([
    project.json<JobView[]>('list'),
    project.json<JobView[]>('list', '--limit', '2'),
    project.ztask('list'),
    ...states.map((state) => project.json<JobView[]>('list', `--${state}`)),
  ])
  expect(new Set(all.map(({ id, state }) => `${state} ${id}`))).toEqual(
    new Set(states.map((state) => `${state} ${ids[state]}`)),
  )
  expect(two).toHaveLength(2)
  expect(each.map((jobs) => jobs.map(({ id }) => id))).toEqual(states.map((state) => [ids[state]]))
  const lines = text.stdout.trim().split('\n')
  expect(lines).toHaveLength(6)
  expect(lines[0]).toMatch(/^ID +TASK +STATE +DUE +ATTEMPTS +ERROR$/)
  expect(text.stdout).toMatch(new RegExp(`${ids.failed} +failOnce +failed .* 1 +Error: no retry`))
  expect(text.stdout).toMatch(new RegExp(`${ids.held} +later +held .* 0 +the code has no task 'later'`))
})

test('list holds those of a task, or those enqueued since a moment', async () => {
  const idsOf = async (...flags: string[]): Promise<string[]> =>
    (await project.json<JobView[]>('list', ...flags)).map(({ id }) => id)
  const { created } = await project.json<JobView>('show', ids.waiting)
  const after = new Date(Date.parse(created) + 1).toISOString()
  const [notes, acts, recent, all, later, running] = await Promise.all([
    idsOf('--task', 'note'),
    idsOf('--task', 'act', '--waiting'),
    idsOf('--since', created, '--task', 'note'),
    idsOf('--since', '3600'),
    idsOf('--since', after),
    idsOf('--running', '--task', 'note'),
  ])
  expect(notes).toEqual([ids.waiting, ids.scheduled])
  expect([acts, running]).toEqual([[], []])
  expect(recent).toEqual([ids.waiting, ids.scheduled])
  expect(new Set(all)).toEqual(new Set(Object.values(ids)))
  expect(later).not.toContain(ids.waiting)
})

test('show says all that is known of a job', async () => {
  const [failed, held, text] = await Promise.all([
    project.json<JobView>('show', ids.failed),
    project.json<JobView>('show', ids.held),
    project.ztask('show', ids.failed),
  ])
  expect(failed).toMatchObject({
    ...{ id: ids.failed, task: 'failOnce', state: 'failed', args: '["f"]', attempts: 1 },
    failure: { name: 'Error', message: 'no retry', stack: expect.stringContaining('src/tasks.ts:') },
  })
  for (const time of [failed.created, failed.due, failed.failedAt])
    expect(new Date(time ?? '').toISOString()).toBe(time)
  expect(held).toMatchObject({ reason: `the code has no task 'later'`, args: '["h",1]', failedAt: null })
  expect(text.stdout).toMatch(/^state +failed$/m)
  expect(text.stdout).toMatch(/^Error: no retry\n +at /m)
})

test('run enqueues a job and prints its id', async () => {
  const { stdout, stderr, code } = await project.ztask('run', 'note', '["by command"]')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const row = project.rows().find(({ id }) => `${id}\n` === stdout)
  expect(row).toMatchObject({ task: 'note', args: '["by command"]' })
  expect(await project.ztask('run', 'note', '{"no":"list"}')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('It must be a JSON list'),
  })
})

test('retry gives a failed job its attempts back, and says of the others what they are', async () => {
  const { stdout, code } = await project.ztask('retry', ids.failed, ids.waiting, ids.running)
  expect(code).toBe(1)
  expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
    `${ids.failed} retried`,
    `${ids.waiting} not retried: it is waiting`,
    `${ids.running} not retried: it is running`,
    '',
  ])
  expect(project.rows().find(({ id }) => id === ids.failed)).toMatchObject({ state: 'queued', attempts: 0 })
})

test('cancel takes a waiting, a scheduled and a held job, and tells the running one', async () => {
  const asked = [ids.waiting, ids.scheduled, ids.held, ids.running]
  const { stdout, code } = await project.ztask('cancel', ...asked, '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual(
    asked.map((id) => ({ id, result: id === ids.running ? 'signalled' : 'removed' })),
  )
})

test('retry --failed and delete --failed are for all failed jobs', async () => {
  project.write('go', '')
  await project.job(ids.failed, 'failed')
  expect(project.ran()).toEqual(['f', 'wait:go', 'done:go', 'by command', 'f'])
  expect(await project.ztask('retry', '--failed')).toMatchObject({ code: 0, stdout: '1 retried\n' })
  await project.hasRun('f', 3)
  await project.job(ids.failed, 'failed')
  expect(await project.ztask('delete', '--failed')).toMatchObject({ code: 0, stdout: '1 deleted\n' })
  expect(project.rows()).toEqual([])
  expect(await project.json('status')).toMatchObject({
    waiting: 0,
    scheduled: 0,
    running: 0,
    held: 0,
    failed: 0,
  })
})
