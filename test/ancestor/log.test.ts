/** K14, B23: where the log goes, what is in it, and how it is rotated. */
import { readFileSync, renameSync } from 'node:fs'
import { expect, test } from 'vitest'
import { logLines, type RunningProcess } from '../harness/process.ts'
import { makeProject, type TestProject } from '../harness/project.ts'
import { until } from '../harness/until.ts'

/** Runs one job that succeeds and one that fails for good. @returns their ids */
const runBoth = async (project: TestProject): Promise<[string, string]> => {
  const { note, failOnce } = project.client()
  const [good, bad] = [await note.async('good'), await failOnce.async('bad')]
  await until('both to end', () => project.rows().every(({ state }) => state === 'failed'))
  return [good.id, bad.id]
}

const messages = ({ stdout }: RunningProcess) => logLines(stdout).map(({ msg }) => msg)
const levels = ({ stdout }: RunningProcess) => new Set(logLines(stdout).map(({ level }) => level))

test('K14: by default INFO goes to stdout: registered, calling, called, each with the id of the job', async () => {
  const project = await makeProject()
  const daemon = await project.daemon()
  const [good, bad] = await runBoth(project)
  await daemon.prints(/Called note successfully/)
  await daemon.prints(/no retry left/)
  expect(messages(daemon)).toEqual(
    expect.arrayContaining([
      'Registered 3 tasks: act, failOnce, note',
      'Calling note',
      'Called note successfully',
      'failOnce failed: Error: no retry; no retry left after 1 attempt',
    ]),
  )
  const of = (id: string) => logLines(daemon.stdout).flatMap((line) => (line.id === id ? [line.msg] : []))
  expect(of(good)).toEqual(['Calling note', 'Called note successfully'])
  expect(of(bad)).toHaveLength(2)
  expect(levels(daemon)).toEqual(new Set(['info', 'error']))
  // The ancestor wrote to stderr what it said it wrote to stdout.
  expect(daemon.stderr).toBe('')
})

test.each([
  ['CRITICAL', []],
  ['ERROR', ['error']],
  ['WARNING', ['error']],
  ['info', ['info', 'error']],
  ['DEBUG', ['debug', 'info', 'error']],
  ['NOTSET', ['debug', 'info', 'error']],
] as const)('K14, B23: -l %s logs %j', async (level, expected) => {
  const project = await makeProject()
  const daemon = project.launch(['-l', level, '--workers', '1'])
  // Without connecting: a client that comes while the daemon starts may be cut in its handshake, which is told as a warning.
  const port = Number(new URL(project.url).port).toString(16).toUpperCase().padStart(4, '0')
  const listens = new RegExp(`:${port} \\S+ 0A `)
  await until('it to listen', () => listens.test(readFileSync('/proc/net/tcp', 'utf8')))
  await project.client({ callTimeout: 30 }).failOnce.async('bad')
  await until('it to have failed', () => project.rows()[0]?.state === 'failed')
  expect(await daemon.kill('SIGTERM')).toMatchObject({ code: 0 })
  expect(levels(daemon), daemon.stdout).toEqual(new Set(expected))
})

test('K14: an unknown level is wrong usage, and the levels are named', async () => {
  const project = await makeProject()
  const { code, stderr } = await project.launch(['--loglevel', 'LOUD']).ended
  expect(code).toBe(2)
  expect(stderr).toContain('CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET')
})

test('B23: --logfile writes there and not to stdout, and SIGUSR2 opens it again after a rotation', async () => {
  const project = await makeProject()
  const daemon = project.launch(['--logfile', 'ztask.log'])
  const read = (file: string) => logLines(readFileSync(project.path(file), 'utf8')).map(({ msg }) => msg)
  const { note } = project.client({ callTimeout: 30 })
  await note.async('one')
  await until('the first to be logged', () => read('ztask.log').includes('Called note successfully'))
  renameSync(project.path('ztask.log'), project.path('ztask.log.1'))
  daemon.child.kill('SIGUSR2')
  await until('the file to be there again', () => {
    try {
      return read('ztask.log') !== undefined
    } catch {
      return false
    }
  })
  const before = read('ztask.log.1')
  await note.async('two')
  await until('the second to be logged', () => read('ztask.log').includes('Called note successfully'))
  expect(read('ztask.log')).toEqual(['Calling note', 'Called note successfully'])
  expect(read('ztask.log.1')).toEqual(before)
  expect(daemon.stdout + daemon.stderr).toBe('')
})

test('B23: a log file that cannot be opened stops the start, with the reason', async () => {
  const project = await makeProject()
  const { code, stderr } = await project.launch(['-f', 'no/such/folder/ztask.log']).ended
  expect(code).toBe(1)
  expect(stderr).toMatch(/^The log file .*no\/such\/folder\/ztask\.log cannot be opened: ENOENT/)
})
