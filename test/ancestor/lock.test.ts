/** One daemon a database, one database a daemon. */
import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'

test('B15: a second daemon on a database is refused, naming the first, until that one is gone', async () => {
  const project = await makeProject()
  const first = await project.daemon()
  const other = `${project.url.slice(0, project.url.lastIndexOf(':'))}:0`
  const second = await project.launch(['--url', other]).ended
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('.ztask/ztask.db is held by another daemon')
  expect(second.stderr).toContain(`pid ${first.pid}, ${project.url}`)
  expect(second.stderr).toContain('--database')

  await project.client().note.async('served by the first')
  await project.hasRun('served by the first')
  await first.kill('SIGKILL')
  await project.daemon()
})

test('B15: a second daemon at an address is refused, whatever its database', async () => {
  const project = await makeProject()
  await project.daemon()
  const second = await project.launch(['--database', 'sqlite:other.db']).ended
  expect(second).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`${project.url} cannot be bound: another process uses it`),
  })
})
