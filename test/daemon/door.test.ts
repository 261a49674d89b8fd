/** Nothing that a client sends may end the master. */
import { rmSync, statSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Dealer } from 'zeromq'
import { EXECUTABLE } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'

/** Deep enough for JSON.stringify to overflow the stack, which JSON.parse does not. */
const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`

test.each([
  ['a kind', `{"project":"fixture","kind":${DEEP}}`],
  ['an id', `{"project":"fixture","kind":"ask","seq":1,"verb":"show","params":{"id":${DEEP}}}`],
  ['a list of ids', `{"project":"fixture","kind":"ask","seq":1,"verb":"cancel","params":{"ids":[${DEEP}]}}`],
])('%s that is nested a hundred thousand deep is answered, and the daemon serves on', async (_, body) => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const dealer = new Dealer({ linger: 0 })
  dealer.connect(project.url)
  await dealer.send(['ztask/1', body])
  const [name, answer] = await dealer.receive()
  dealer.close()
  expect(name?.toString()).toBe('ztask/1')
  expect(JSON.parse(String(answer)).kind).toMatch(/refused|answer/)
  await project.client().note.async('good')
  await project.hasRun('good')
  expect(daemon.hasEnded).toBe(false)
})

test('nobody else on the machine can read the jobs, whatever the umask; the group reaches an ipc socket where that says so', async () => {
  const project = await makeProject()
  const url = `ipc://${project.path('daemon.sock')}`
  const argv = ['--import', 'data:text/javascript,process.umask(0o007)', EXECUTABLE, 'daemon', '--noreload']
  const daemon = project.start(argv, { ZTASKD_URL: url })
  await daemon.prints(/Listening on/)
  const files = ['.ztask/ztask.db', '.ztask/ztask.db-wal', '.ztask/ztask.db-shm', '.ztask/ztask.lock']
  const modes = [...files, 'daemon.sock'].map((file) =>
    (statSync(project.path(file)).mode & 0o777).toString(8),
  )
  expect(modes).toEqual(['600', '600', '600', '600', '770'])
  await daemon.kill()
  for (const file of files) rmSync(project.path(file), { force: true })
  await project.daemon(['--noreload'])
  for (const file of files) expect(statSync(project.path(file)).mode & 0o007).toBe(0)
})
