import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

test('B2: acknowledged calls survive a killed daemon', async () => {
  const project = await makeProject()
  const daemon = await project.daemon(['--workers', '2', '--concurrency', '1'])
  const { act, note } = project.client()
  // Both workers are kept busy, so that what follows waits in the database.
  await Promise.all([act.async('wait', 'go'), act.async('wait', 'go')])
  await project.hasRun('wait:go', 2)
  const names = Array.from({ length: 500 }, (_, index) => `n${index}`)
  await Promise.all(names.map((name) => note.async(name)))
  await daemon.kill()
  expect(project.rows()).toHaveLength(502)
  project.write('go', '')
  await project.daemon(['--workers', '2'])
  await until('all to have run', () => names.every((name) => project.ran().includes(name)))
  await until('the table to be empty', () => project.rows().length === 0)
})
