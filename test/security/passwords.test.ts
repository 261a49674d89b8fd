/** A password in a setting is nobody's to read: not in an error, nor in the log, nor in `--json` output. */
import { expect, test } from 'vitest'
import { EXECUTABLE } from '../harness/process.ts'
import { makeProject } from '../harness/project.ts'

const REFUSED = "is 'mysql://bob:***@db/x': it must be 'sqlite:PATH'"

test('of a database that cannot be: wherever it is set, and in a flag that is misspelt', async () => {
  const project = await makeProject()
  const database = 'mysql://bob:hunter2@db/x'
  const env = { ZTASKD_DATABASE: database }
  const [daemon, status, flag, misspelt] = await Promise.all([
    project.launch([], env).ended,
    project.start([EXECUTABLE, 'status', '--json'], env).ended,
    project.ztask('status', '--database', database),
    project.ztask('status', `--databse=${database}`),
  ])
  for (const [{ stdout, stderr }, said] of [
    [daemon, `ZTASKD_DATABASE ${REFUSED}`],
    [status, `ZTASKD_DATABASE ${REFUSED}`],
    [flag, `--database ${REFUSED}`],
    [misspelt, "unknown option '--databse=mysql://bob:***@db/x'"],
  ] as const) {
    expect(stderr).toContain(said)
    expect(stdout + stderr).not.toContain('hunter2')
  }
})

test('of a database that is used, and of an address: log, status, commands and errors', async () => {
  const project = await makeProject()
  const database = ['--database', 'sqlite:postgres://bob:hunter2@db/x.db']
  const daemon = await project.daemon(database)
  expect(daemon.stdout).toContain('postgres:/bob:***@db/x.db')
  const url = 'tcp://bob:hunter2@127.0.0.1:1'
  const [held, bound, unreached] = await Promise.all([
    project.launch([...database, '--url', 'tcp://127.0.0.1:0']).ended,
    project.launch(['--url', url]).ended,
    project.ztask('status', '--live', '--url', url),
  ])
  const status = await project.ztask('status', '--json', ...database)
  await daemon.kill()
  const idle = await project.ztask('status', '--json', ...database)
  expect(held.stderr).toContain('is held by another daemon')
  expect(bound.stderr).toContain('tcp://bob:***@127.0.0.1:1 can be reached from other hosts')
  expect(unreached.stderr).toContain('tcp://bob:***@127.0.0.1:1')
  for (const { stdout } of [status, idle])
    expect(JSON.parse(stdout).database).toMatch(/postgres:\/bob:\*\*\*@db\/x\.db$/)
  for (const { stdout, stderr } of [held, bound, unreached, status, idle, daemon])
    expect(stdout + stderr).not.toContain('hunter2')
})
