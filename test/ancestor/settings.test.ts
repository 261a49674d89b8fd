/** K15: settings come from the file, the environment wins over it, and the flags win over both. */
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { makeProject } from '../harness/project.ts'

const FAILS = `
import { task } from 'ztask'
export const fails = task(() => { throw new Error('always') })
`

test('K15: retryCount and retryAfter of the file are what a task without options gets, and the environment wins', async () => {
  const project = await makeProject({
    config: 'retryCount: 1, retryAfter: 0.01',
    files: { 'src/fails.ts': FAILS },
  })
  const { fails } = project.calls(['fails'])
  const first = await project.daemon()
  expect(await project.job((await fails.async()).id, 'failed')).toMatchObject({ attempts: 2 })
  await first.kill()
  await project.daemon([], { ZTASKD_RETRY_COUNT: '0' })
  expect(await project.job((await fails.async()).id, 'failed')).toMatchObject({ attempts: 1 })
})

test('K15: url and database, by file, environment and flag', async () => {
  const project = await makeProject({ config: `database: 'sqlite:file.db'` })
  const env = { ZTASKD_URL: 'tcp://127.0.0.1:0', ZTASKD_DATABASE: 'sqlite:environment.db' }
  const flags = ['--url', project.url, '--database', 'sqlite:flag.db']
  const daemon = project.launch(flags, env)
  expect(await daemon.prints(/Listening on/)).toContain(`Listening on ${project.url}, `)
  expect(['file.db', 'environment.db', 'flag.db'].map((name) => existsSync(project.path(name)))).toEqual([
    false,
    false,
    true,
  ])
  await daemon.kill()
  const byEnvironment = project.launch([], { ...env, ZTASKD_URL: project.url })
  await byEnvironment.prints(/Listening on.*environment\.db/)
  await byEnvironment.kill()
  await project.launch().prints(/Listening on.*file\.db/)
})

test('K15: a value that cannot be is named with its place, and so is a setting that is none', async () => {
  const project = await makeProject({ config: 'retryCount: 1' })
  const wrong = await project.launch([], { ZTASKD_RETRY_COUNT: 'many' }).ended
  expect(wrong).toMatchObject({
    code: 1,
    stderr: `ZTASKD_RETRY_COUNT is 'many': it must be a whole number, 0 to 1,000,000.\n`,
  })
  project.write('ztask.config.ts', 'export default { retrycount: 1 }')
  expect(await project.ztask('status')).toMatchObject({
    code: 1,
    stderr: `ztask.config.ts has no setting 'retrycount'. Did you mean 'retryCount'?\n`,
  })
})

test('K16: a job that is too large is refused at the call, with the advice to pass an id', async () => {
  const project = await makeProject({ config: 'maxPayload: 100' })
  await project.daemon()
  const large = 'x'.repeat(200)
  for (const maxPayload of [100, 1000])
    await expect(project.client({ maxPayload }).note.async(large)).rejects.toMatchObject({
      name: 'PayloadTooLargeError',
      data: { task: 'note', size: 204, maxPayload: 100 },
      message: expect.stringContaining('Pass an id and load the data in the task'),
    })
  expect(project.rows()).toEqual([])
})

test('K15: the modes of the file are generated into the client, and the environment wins', async () => {
  const project = await makeProject({ config: 'alwaysEager: true, callTimeout: 0.2' })
  const source = `import { tasks } from './src/ztask/client.js'
    await tasks.note.async('x').catch((error) => console.log(error.name, error.data.timeout))`
  const eager = project.script(source)
  expect(await eager.ended).toMatchObject({ code: 0, stderr: '' })
  expect(project.runs()).toMatchObject([{ pid: eager.pid }])
  const sent = await project.script(source, { ZTASKD_ALWAYS_EAGER: '0' }).ended
  expect(sent.stdout).toBe('DaemonUnavailableError 0.2\n')
  const disabled = await project.script(source, { ZTASKD_DISABLED: '1' }).ended
  expect(disabled.stdout).toBe('ztask: disabled: note is not run\n')
  expect(project.runs()).toHaveLength(1)
})
