/** B25: a date is looked at again when the clock moves on its own, as a suspend or a correction moves it. */
import { expect, test } from 'vitest'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

/** Gives the process a clock that is `offset` milliseconds off, as the file says at each look. */
const STEPPED = `
import { readFileSync } from 'node:fs'
const real = Date.now
Date.now = () => real() + Number(readFileSync(new URL('offset', import.meta.url), 'utf8'))
`
const HOUR = 3_600_000

/** A project whose daemon runs by the stepped clock. */
const stepped = async (): Promise<{ project: TestProject; env: Record<string, string> }> => {
  const project = await makeProject({ files: { 'clock.mjs': STEPPED, offset: '0' } })
  return { project, env: { NODE_OPTIONS: `--import ${project.path('clock.mjs')}` } }
}

test('B25: a job scheduled an hour ahead runs when the clock steps by an hour, and the jump is logged', async () => {
  const { project, env } = await stepped()
  const daemon = await project.daemon([], env)
  const { note } = project.client()
  await note.after(3600, 'in an hour')
  await note.after(2 * 3600, 'in two')
  await note.async('now')
  await project.hasRun('now')
  expect(project.ran()).toEqual(['now'])
  project.write('offset', String(HOUR))
  await project.hasRun('in an hour')
  expect(await daemon.prints(/The clock moved by 3(600|599) s on its own/)).toContain('"level":"warn"')
  expect(project.ran()).toEqual(['now', 'in an hour'])
  await until('its row to go', () => project.rows().length === 1)
  expect(project.rows()).toMatchObject([{ args: '["in two"]', state: 'queued' }])
})

test('B25: a clock that is set back delays what has a date, and nothing runs twice', async () => {
  const { project, env } = await stepped()
  const daemon = await project.daemon([], env)
  const { note } = project.client()
  await note.at(new Date(Date.now() + 1000), 'dated')
  project.write('offset', String(-HOUR))
  await daemon.prints(/The clock moved by -3(600|599) s/)
  // Later than the date by the clock as it was.
  await note.after(1, 'after')
  await project.hasRun('after')
  expect(project.ran()).toEqual(['after'])
  project.write('offset', '0')
  await project.hasRun('dated')
  expect(project.ran()).toEqual(['after', 'dated'])
})

test('B25: a delay beyond 2^31 ms is a delay, not an overflow that runs at once', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const { note } = project.client()
  await note.after(25 * 86_400, 'next month')
  await note.at(new Date('2101-01-01'), 'next century')
  await note.after(0.3, 'soon')
  await project.hasRun('soon')
  expect(project.ran()).toEqual(['soon'])
  expect(daemon.stderr).toBe('')
})
