/** `ztask status --live`, for whoever has to know whether the daemon serves. */
import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'

test('status --live fails where the daemon is stopped or gone, and not where it answers', async () => {
  const project = await makeProject({ config: 'callTimeout: 0.5' })
  const daemon = await project.daemon()
  expect((await project.ztask('status', '--live')).code).toBe(0)
  daemon.child.kill('SIGSTOP')
  const stopped = await project.ztask('status', '--live')
  expect(stopped).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('No daemon answered at'),
  })
  expect((await project.ztask('status')).code).toBe(0)
  await daemon.kill()
  const gone = await project.ztask('status', '--live', '--json')
  expect(gone).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^No daemon answered at .*\n$/),
  })
})

test('status --live asks the daemon, also beside a database that is not the one of the daemon', async () => {
  const project = await makeProject()
  await project.ztask('migrate')
  await project.daemon(['--database', 'sqlite:elsewhere.db'])
  const { database } = await project.json<{ database: string }>('status', '--live')
  expect(database).toBe(project.path('elsewhere.db'))
})
