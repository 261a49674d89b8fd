/** B10: a job has an id, its state can be asked for, and it can be cancelled. */
import { beforeAll, expect, test } from 'vitest'
import type { JobView } from '../../src/daemon/commands.ts'
import { shareProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

let project: TestProject
beforeAll(async () => {
  project = await shareProject()
  await project.daemon(['--workers', '1', '--concurrency', '1'])
})

test('B10: a call returns an id, by which the job is found in each state of its life', async () => {
  const { act, note } = project.client()
  const stateOf = async (id: string) => (await project.ask<JobView>('show', { id })).state
  const scheduled = await note.after(3600, 'far')
  const running = await act.async('wait', 'go1')
  await project.hasRun('wait:go1')
  const waiting = await note.async('behind')
  for (const { id } of [scheduled, running, waiting])
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(project.rows().map(({ id }) => id)).toEqual([scheduled.id, running.id, waiting.id])
  expect(await stateOf(scheduled.id)).toBe('scheduled')
  expect(await stateOf(running.id)).toBe('running')
  expect(await stateOf(waiting.id)).toBe('waiting')
  project.write('go1', '')
  await until('both to end', () => project.rows().length === 1)
  expect(await project.ztask('show', waiting.id)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('It may have succeeded'),
  })
})

test('B10: a job that has not begun is cancelled and never runs; one that runs is told, and goes on where it does not listen', async () => {
  const { act, note } = project.client()
  const running = await act.async('wait', 'go2')
  await project.hasRun('wait:go2')
  const waiting = await note.async('cancelled')
  const soon = await note.after(0.6, 'cancelled too')
  const nobody = '00000000-0000-7000-8000-000000000000'
  const ended = await project.ztask('cancel', running.id, waiting.id, soon.id, nobody, '--json')
  expect(ended.code).toBe(1)
  expect(JSON.parse(ended.stdout)).toEqual([
    { id: running.id, result: 'signalled' },
    { id: waiting.id, result: 'removed' },
    { id: soon.id, result: 'removed' },
    { id: nobody, result: 'unknown' },
  ])
  expect(project.rows().some(({ id }) => id === waiting.id || id === soon.id)).toBe(false)
  // What comes later than both would have come has run, and neither of them has.
  await note.after(0.7, 'last')
  project.write('go2', '')
  await project.hasRun('last')
  expect(project.ran()).not.toContain('cancelled')
  expect(project.ran()).not.toContain('cancelled too')
  expect(project.ran()).toContain('done:go2')
})
